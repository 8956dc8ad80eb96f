"""Messages in the words of engines: each image where it stands, and no text that is taken for one."""

import json
from typing import Any

import pytest

from generators.embedded import reference_folder
from generators.engines.openai.chat import DataUrls, chat_messages
from generators.engines.prompting import ChatPrompts, disarmed
from generators.models import ResolvedModel
from schemas.completion import ImagePart, Message, Request

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def prompts() -> ChatPrompts:
    return ChatPrompts(ResolvedModel(str(reference_folder()), None), {})


def asked(*content: str | ImagePart, prefix: str = "") -> Request:
    return Request("r", (Message("user", content),), prefix=prefix)


def test_images_stand_between_texts_in_every_engine(prompts: ChatPrompts, media: Any) -> None:
    request = asked("Is ", ImagePart(media.red), " or ", ImagePart(media.blue), " red?")
    assert prompts.text(request) == "<|user|>Is <image> or <image> red?<end_of_utterance><|assistant|>"
    (message,) = json.loads(b"".join(chat_messages(request, DataUrls(media))))
    assert [part.get("text", "image") for part in message["content"]] == ["Is ", "image", " or ", "image", " red?"]
    assert request.images == (media.red, media.blue)


def test_a_text_that_mentions_an_image_token_is_no_image(prompts: ChatPrompts, media: Any) -> None:
    request = asked(ImagePart(media.red), "What is <image>?", prefix="<think>An <image>")
    wanted = "<|user|><image>What is [image]?<end_of_utterance><|assistant|><think>An [image]"
    assert prompts.text(request) == wanted
    tokens = ("<image>", "<|image_pad|>", "[IMG]")
    assert disarmed("a <image> b <|image_pad|> [IMG] <imagery>", tokens) == "a [image] b [image_pad] (IMG) <imagery>"
    assert disarmed("plain <think>", tokens) == "plain <think>"

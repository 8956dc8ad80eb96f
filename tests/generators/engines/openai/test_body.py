from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer

from generators.engines.openai.body import SMALL, Pieces, body_of
from generators.engines.openai.engine import OpenAIEngine
from schemas.completion import ImagePart, Message, Request
from schemas.engine import ModelConfig


class Large:
    """Images of so many bytes."""

    def __init__(self, size: int) -> None:
        self.size = size

    def path(self, sha256: str) -> Path:
        raise NotImplementedError

    def read(self, sha256: str) -> bytes:
        return sha256.encode() * self.size


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as made:
        yield made


@pytest.mark.parametrize("size", [10, SMALL, 3 << 20])
def test_images_of_any_size_arrive_whole_and_in_their_places(server: ChatServer, run: Any, size: int) -> None:
    engine = OpenAIEngine(ModelConfig(model="m", engine="openai", base_urls=(server.url,)), Large(size))
    content = ("first ", ImagePart("a"), ' "then"\n', ImagePart("b"), ImagePart("a"))
    run(engine.start())
    (done,) = run(engine.complete(Request("r", (Message("system", ("§",)), Message("user", content))), [0]))
    run(engine.close())
    assert done.text == "4"
    (system, user) = server.calls[0]["messages"]
    assert system == {"role": "system", "content": "§"}
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text", "image_url", "image_url"]
    assert [part["text"] for part in user["content"] if "text" in part] == ["first ", ' "then"\n']
    urls = [part["image_url"]["url"] for part in user["content"] if "image_url" in part]
    assert urls[0] == urls[2] != urls[1]
    assert all(url.startswith("data:image/png;base64,") and len(url) >= size for url in urls)


def test_small_bodies_are_joined() -> None:
    assert body_of([b"a", b"b"]) == b"ab"
    large = body_of([b"a" * SMALL, b"b"])
    assert isinstance(large, Pieces)
    assert (large.size, large.decode()[-2:]) == (SMALL + 1, "ab")

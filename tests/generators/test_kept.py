"""Models are kept between steps only where somebody asks for it, and freed at the end."""

import pytest

from generators.encoders import MINILM, EncoderConfig, make_text_encoder
from generators.engines.transformers.model_loading import load_model
from generators.kept import kept_models, once
from schemas.engine import ModelConfig


def test_what_is_loaded_inside_is_loaded_once_and_freed_at_the_end_of_the_outermost() -> None:
    loads: list[int] = []

    def load() -> int:
        loads.append(len(loads))
        return loads[-1]

    assert [once("a", load), once("a", load)] == [0, 1]
    with kept_models():
        with kept_models():
            assert [once("a", load), once("a", load), once("b", load)] == [2, 2, 3]
        assert once("a", load) == 2
    assert once("a", load) == 4


def test_what_cannot_be_loaded_is_tried_again() -> None:
    with kept_models():
        with pytest.raises(ZeroDivisionError):
            once("a", lambda: 1 // 0)
        assert once("a", lambda: 1) == 1


def test_models_and_encoders_are_kept_by_what_they_are() -> None:
    vlm = ModelConfig(model="reference-vlm", engine="transformers")
    other = vlm.model_copy(update={"args": {"dtype": "bfloat16"}})
    texts = EncoderConfig(model=MINILM)
    with kept_models():
        assert load_model(vlm).model is load_model(vlm.model_copy(update={"concurrency": 2})).model
        assert load_model(other).model is not load_model(vlm).model
        one, same = make_text_encoder(texts), make_text_encoder(texts)
        assert (one.encode(["a"]) == same.encode(["a"])).all()
    assert load_model(vlm).model is not load_model(vlm).model

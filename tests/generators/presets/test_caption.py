"""Captions are of images, and a row without one has none."""

from typing import Any

from asked import IMAGE, converse, run, table

from generators.presets.caption import STEP, CaptionConfig
from schemas.completion import ImagePart, Sampling

ROWS = table({"media": [IMAGE, IMAGE]}, {"media": []}, {"media": None}, {"media": [IMAGE | {"kind": "video"}]})


def test_a_row_is_asked_for_its_images_and_one_without_has_no_caption() -> None:
    config = CaptionConfig(model="m")
    [turn] = converse(STEP, ROWS, config, lambda r, i: "a star")[1]
    [request] = turn
    assert request.messages[-1].content == (ImagePart("ab" * 32), ImagePart("ab" * 32), "Describe the image.")
    assert request.sampling == Sampling(temperature=0.0, max_tokens=256)
    out = run(STEP, ROWS, config, lambda r, i: "a star")
    assert out.rows is not None
    assert out.rows.rows() == [("r0", "a star"), ("r1", None), ("r2", None), ("r3", None)]


def test_one_half_of_a_caption_is_none() -> None:
    config = CaptionConfig(model="m")
    out = run(STEP, ROWS, config, lambda r, i: {"text": "a st", "finish_reason": "length"})
    assert out.drops.select("id", "reason").rows() == [("r0", "caption:truncated")]


def test_a_caption_may_be_of_what_is_said() -> None:
    def asked(request: Any, index: int) -> str:
        return f"of {request.messages[-1].content[-1]}"

    rows = table({"question": "Which?", "media": []})
    out = run(STEP, rows, CaptionConfig(model="m", prompt="{{ question }}", sees="nothing"), asked)
    assert out.rows is not None
    assert out.rows["caption"].to_list() == ["of Which?"]


def test_captions_may_be_rows() -> None:
    config = CaptionConfig(model="m", makes="description", n=2)
    out = run(STEP, ROWS, config, lambda r, i: f"a star {i}")
    assert out.rows is not None
    assert sorted(out.rows["caption"]) == ["a star 0", "a star 1"]

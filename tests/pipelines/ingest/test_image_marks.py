"""`<image>` in a published question: which of them are images, and where these are in the question."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from pipelines.ingest.ingest import ingest
from pipelines.sources.files import JsonlSource
from pipelines.store.media import MediaStore
from schemas.split import Split

COLOURS = {"a": "red", "b": "blue", "c": "green"}


def taken(root: Path, *rows: dict[str, Any], **options: Any) -> Split:
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(root / f"{name}.png")
    (root / "rows.jsonl").write_text("".join(json.dumps({"answer": "5", **row}) + "\n" for row in rows))
    source = JsonlSource(name="t", path=str(root / "rows.jsonl"), **options)
    found = list(ingest([source], MediaStore(root / "media")))
    return Split(pl.concat([part.kept for part in found]), pl.concat([part.dropped for part in found]))


def read(split: Split) -> list[tuple[str, list[int | None]]]:
    return [(row["question"], [m["position"] for m in row["media"]]) for row in split.kept.iter_rows(named=True)]


@pytest.mark.parametrize(
    ("question", "images", "text", "positions"),
    [
        ("<image>Find x.", ["a.png"], "Find x.", [None]),  # EasyR1's geometry3k, MMK12
        ("<image>\nWhat colour is it?", ["a.png"], "What colour is it?", [None]),  # LLaVA
        ("<image>\n<image>\nWhich?", ["a.png", "b.png"], "Which?", [None, None]),
        ("Which is red: <image> or <image>?", ["a.png", "b.png"], "Which is red:  or ?", [14, 18]),
        ("What colour is it?\n<image>", ["a.png"], "What colour is it?\n", [19]),
        ("Find x.", ["a.png", "b.png"], "Find x.", [None, None]),
        ("What does <image> mean in HTML?", [], "What does <image> mean in HTML?", []),
        ("<image>\n<image>How many marks?", [], "<image>\n<image>How many marks?", []),
        ("See <image 1>.", ["a.png"], "See <image 1>.", [None]),  # MMMU: a name, which the text needs
    ],
)
def test_marks_that_stand_for_the_images_become_positions(
    question: str, images: list[str], text: str, positions: list[int | None], tmp_path: Path
) -> None:
    split = taken(tmp_path, {"question": question, "images": images})
    assert read(split) == [(text, positions)]


@pytest.mark.parametrize(
    ("question", "images", "marks"),
    [
        ("<image>\n<image>How many?", ["a.png"], 2),
        ("<image>Which of these?", ["a.png", "b.png"], 1),
        ("Is <image>, <image> or <image> red?", ["a.png", "b.png"], 3),
    ],
)
def test_another_number_of_marks_drops_the_row_with_both_numbers(
    question: str, images: list[str], marks: int, tmp_path: Path
) -> None:
    split = taken(tmp_path, {"question": question, "images": images})
    assert split.dropped["reason"].to_list() == ["ingest:mark_count"]
    evidence = json.loads(split.dropped["evidence"][0])
    assert (evidence["marks"], evidence["images"]) == (marks, len(images))
    assert "`marks: literal`" in evidence["error"]


def test_a_source_may_take_all_marks_for_text(tmp_path: Path) -> None:
    rows = [{"question": q, "images": ["a.png"]} for q in ("<image>\n<image>How many?", "What is <image>?")]
    assert read(taken(tmp_path, *rows, marks="literal")) == [(row["question"], [None]) for row in rows]


def test_marks_in_options_are_text_unless_they_stand_for_images(tmp_path: Path) -> None:
    tag = {"question": "Which tag is it?", "images": ["a.png"], "options": ["<image> or <image>", "<img>"]}
    named = {"question": "<image>Which tag is it?", "images": ["a.png"], "options": ["<image>", "<img>"]}
    shown = {"question": "Which is red?", "images": ["a.png", "b.png"], "options": ["<image>", "<image>"]}
    both = {"question": "<image>Its mirror image?", "images": ["a.png", "b.png"], "options": ["<image>", "none"]}
    split = taken(tmp_path, *({**row, "answer": "A"} for row in (tag, named, shown, both)), kind="choice")
    assert [question for question, _ in read(split)] == ["Which tag is it?"] * 2
    assert split.dropped["reason"].to_list() == ["ingest:mark_in_option"] * 2


def test_only_marks_is_no_question_and_places_are_part_of_an_id(tmp_path: Path) -> None:
    split = taken(tmp_path, {"question": "<image>\n", "images": ["a.png"]})
    assert split.dropped["reason"].to_list() == ["ingest:question_empty"]
    rows = [{"question": q, "images": ["a.png"]} for q in ("<image>Why?", "Why?", "Wh<image>y?", "W<image>hy?")]
    split = taken(tmp_path, *rows)
    assert split.dropped["reason"].to_list() == ["ingest:copy"]
    assert split.kept["id"].n_unique() == 3

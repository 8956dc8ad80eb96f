"""The step `quality`: what it measures of right and of wrong traces, and what it drops."""

import json

import polars as pl
import pytest
from pydantic import ValidationError

from filters.quality_step import COLUMNS, STEP, QualityStepConfig
from schemas.step import Tables

TYPES = {
    "id": pl.String,
    "sample_id": pl.String,
    "reasoning": pl.String,
    "final": pl.String,
    "correct": pl.Boolean,
    "tokens": pl.Int32,
    "finish_reason": pl.String,
    "question": pl.String,
    "caption": pl.String,
}
OPTIONS = ["red", "blue"]
LOOSE = {"max_repeated_ngrams": None, "max_repeated_sentences": None, "max_stutters": None, "contradictions": False}


@pytest.fixture
def quality(gold, context):
    def run(*rows, name="quality", **config):
        """Rows of (reasoning, final, correct, gold, more columns)."""
        full = [
            {"id": f"t{i}", "sample_id": "s", "reasoning": text, "final": final, "correct": correct, **one, **more}
            for i, (text, final, correct, one, more) in enumerate(rows)
        ]
        table = pl.DataFrame(full, schema={**TYPES, **gold.types})
        out = STEP.body(Tables(table, {}, pl.DataFrame()), QualityStepConfig(**config), context(name))
        assert out.rows.height + out.drops.height == table.height
        assert dict(out.rows.schema) == {"id": pl.String, **COLUMNS}
        return out

    return run


def test_columns_are_measured_and_nothing_is_dropped_without_a_limit(quality, gold) -> None:
    text = "Wait, the caption says that it is red. Wait."
    out = quality((text, "A", True, gold("choice", "A", OPTIONS), {"finish_reason": "length"}), **LOOSE)
    row = out.rows.row(0, named=True)
    assert (row["words"], row["cues"], row["leaks"], row["truncated"], row["no_thought"]) == (9, 2, 1, True, False)
    assert row["denied"] is None  # there is no caption that could deny it


@pytest.mark.parametrize(
    ("text", "final", "limits", "cause"),
    [
        ("", "A", {}, "no_thought"),
        (None, "A", {}, "no_thought"),
        ("So the answer is A.", "A", {}, "no_thought"),
        ("It is red as one sees. So the answer is A.", "A", {}, None),
        ("It is blue. So the answer is B.", "A", {}, "contradiction"),
        ("It is red. It is red. It is red. It is red.", "A", {"max_repeated_ngrams": None}, "repeated_sentences"),
        ("So the So the shape is red.", "A", {}, "stutters"),
        ("Wait, it is red. Hmm, yes.", "A", {"max_cues": 1}, "cues"),
        ("The caption says that it is red.", "A", {"max_leaks": 0}, "leaks"),
        ("It is red as one sees.", "A", {"min_tokens": 100}, "too_short"),
        ("", "A", {"thought": False}, None),
    ],
)
def test_a_limit_drops_by_the_steps_own_name(quality, gold, text, final, limits, cause) -> None:
    one = gold("choice", "A", OPTIONS)
    out = quality((text, final, True, one, {"tokens": 10}), name="tidy", **limits)
    assert out.drops["reason"].to_list() == ([f"tidy:{cause}"] if cause else [])
    if cause:
        assert json.loads(out.drops["evidence"][0])["sample_id"] == "s"


@pytest.mark.parametrize("correct", [False, None])
def test_a_wrong_trace_is_held_to_its_own_answer(quality, gold, correct) -> None:
    one = gold("choice", "A", OPTIONS)
    rows = [
        ("It is blue, I see. So the answer is B.", "B", correct, one, {}),
        ("It is blue, I see. So the answer is blue.", "B", correct, one, {}),
        ("It is red, I see. So the answer is A.", "B", correct, one, {}),
    ]
    assert quality(*rows, **LOOSE).rows["contradicts"].to_list() == [False, False, True]


def test_a_wrong_answer_of_every_sort_can_be_held_to_itself(quality, gold) -> None:
    number, yes = gold("number", "4"), gold("boolean", "yes")
    more = {"question": "is there a circle in the image?"}
    rows = [
        ("I count five. The answer is 5.", "5", False, number, {}),
        ("I count five. The answer is 6.", "5", False, number, {}),
        ("The shape is a circle. So the answer is no.", "no", False, yes, more),
        ("There is no circle. So the answer is no.", "no", False, yes, more),
        ("I count five. The answer is 5.", "no idea", False, number, {}),
    ]
    found = quality(*rows, **LOOSE).rows
    assert found["contradicts"].to_list() == [False, True, True, False, None]
    assert found["concluded"].to_list() == [None, "6", "yes", None, None]


def test_without_an_answer_or_a_gold_nothing_is_contradicted(quality, gold) -> None:
    none = {"answer": None, "verifier": None, "options": None}
    rows = [
        ("It is blue, I see. The answer is blue.", None, None, gold("text", "red"), {}),
        ("It is blue, I see. The answer is blue.", "blue", None, none, {}),
        ("It is blue, I see. The answer is green.", "blue", None, none, {}),
    ]
    assert quality(*rows, **LOOSE).rows["contradicts"].to_list() == [None, False, True]


def test_what_a_caption_denies_is_measured_and_dropped_at_a_limit(quality, gold) -> None:
    more = {"caption": "A red circle.", "question": "What is it?"}
    row = ("The circle is green, I see.", "circle", True, gold("text", "circle"), more)
    assert quality(row, **LOOSE).rows["denied"].to_list() == [["green"]]
    assert quality(row, max_denied=0).drops["reason"].to_list() == ["quality:caption_denies"]


def test_no_rows(quality) -> None:
    assert quality().rows.height == 0


def test_lengths_have_to_be_there_only_where_a_limit_asks_for_them(known) -> None:
    def optional(**config):
        return {
            name
            for name, one in STEP.reads(QualityStepConfig(**config), known({"trace": {}})).rows.items()
            if one.optional
        }

    assert optional() == {"correct", "tokens", "finish_reason", "caption", "options"}
    assert optional(max_tokens=10, truncated=True, caption="seen") == {"correct", "options"}
    assert STEP.reads(QualityStepConfig(caption="seen"), known({"trace": {}})).rows["caption"].ref == ("seen",)


def test_limits_that_nothing_meets_are_refused() -> None:
    with pytest.raises(ValidationError, match="swap the limits"):
        QualityStepConfig(min_tokens=10, max_tokens=5)

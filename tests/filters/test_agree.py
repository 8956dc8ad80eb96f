"""The step `agree`: answers that reach the gold, or each other."""

import polars as pl
import pytest

from filters.agree import STEP, AgreeConfig
from schemas.step import Tables

OPTIONS = ["red", "blue"]


def agreed(gold, context, one, between, sample="s"):
    rows = pl.DataFrame([{"id": sample, "sample_id": sample, **one}], schema_overrides=gold.types)
    beside = {
        step: pl.DataFrame(
            {
                "id": [f"{step}{i}" for i in range(len(finals))],
                "sample_id": [sample] * len(finals),
                "parent_id": [sample] * len(finals),
                "given": finals,
            },
            schema_overrides={"id": pl.String, "sample_id": pl.String, "parent_id": pl.String, "given": pl.String},
        )
        for step, finals in between.items()
    }
    out = STEP.body(Tables(rows, beside, pl.DataFrame()), AgreeConfig(between=tuple(between)), context("agree"))
    assert out.drops.height == 0
    return out.rows["agreed"].to_list() if rows.height > 1 else out.rows["agreed"].item()


@pytest.mark.parametrize(
    ("kind", "raw", "options", "answers", "expected"),
    [
        # Each other: the gold itself does not matter, only its kind.
        ("number", "7", None, ("4", "4.0"), True),
        ("number", "7", None, ("4", "5"), False),
        ("number", "7", None, ("\\boxed{1/2}", "0.5"), True),
        ("choice", "A", OPTIONS, ("B", "blue"), True),
        ("choice", "A", OPTIONS, ("A", "blue"), False),
        ("boolean", "yes", None, ("No", "no."), True),
        ("expression", "x", None, ("x^2 - 1", "(x-1)(x+1)"), True),
        # Nothing to compare.
        ("number", "7", None, ("4", None), None),
        ("number", "7", None, ("4", "I cannot tell"), None),
        ("number", "7", None, ("no idea", "no idea"), None),
        ("open", "a story", None, ("a story", "a tale"), None),
    ],
)
def test_two_answers_agree_by_the_verifier_both_ways(gold, context, kind, raw, options, answers, expected) -> None:
    one = gold(kind, raw, options)
    assert agreed(gold, context, one, {"a": [answers[0]], "b": [answers[1]]}) is expected
    assert agreed(gold, context, one, {"a": [answers[1]], "b": [answers[0]]}) is expected


@pytest.mark.parametrize(("answer", "expected"), [("4", True), ("5", False), ("no idea", None), (None, None)])
def test_one_step_is_compared_with_the_gold(gold, context, answer, expected) -> None:
    assert agreed(gold, context, gold("number", "4"), {"a": [answer]}) is expected


def test_all_answers_that_can_be_compared_must_agree(gold, context) -> None:
    one = gold("number", "4")
    assert agreed(gold, context, one, {"a": ["4", None], "b": ["4", "no idea"]}) is True
    assert agreed(gold, context, one, {"a": ["4"], "b": ["4"], "c": ["5"]}) is False
    assert agreed(gold, context, one, {"a": [], "b": ["4"]}) is None


def test_an_alias_of_the_gold_does_not_make_two_other_answers_equal(gold, context) -> None:
    one = gold("text", "Paris", params='{"aliases": ["the capital"]}')
    assert agreed(gold, context, one, {"a": ["London"], "b": ["the capital"]}) is False


def test_a_row_without_a_gold_has_nothing_to_be_compared_by(gold, context) -> None:
    none = {"answer": None, "verifier": None, "options": None}
    assert agreed(gold, context, none, {"a": ["4"], "b": ["4"]}) is None


def test_answers_of_other_samples_do_not_count(gold, context) -> None:
    assert agreed(gold, context, gold("number", "4"), {"a": ["4"]}, sample="s") is True
    rows = pl.DataFrame([{"id": "s", "sample_id": "s", **gold("number", "4")}], schema_overrides=gold.types)
    other = pl.DataFrame({"id": ["x"], "sample_id": ["t"], "parent_id": ["t"], "given": ["4"]})
    out = STEP.body(Tables(rows, {"a": other}, pl.DataFrame()), AgreeConfig(between=("a",)), context("agree"))
    assert out.rows["agreed"].to_list() == [None]

"""Exact duplicates and the quality order."""

import json
from collections.abc import Callable

import polars as pl
import pytest

from filters.dedup.exact import ExactConfig, drop_exact
from filters.dedup.quality import QualityConfig
from schemas.errors import ConfigError

MakeRows = Callable[..., pl.DataFrame]


def _partners(dropped: pl.DataFrame) -> dict[str, str]:
    return {row["id"]: json.loads(row["evidence"])["kept"] for row in dropped.to_dicts()}


def test_a_triple_keeps_one_and_names_it(make_rows: MakeRows) -> None:
    rows = make_rows(*[{"question": q, "images": ["a"]} for q in ("What is it?", "what  is it", "WHAT IS IT ?")])
    result = drop_exact(rows, ExactConfig())
    assert result.kept["id"].to_list() == ["r0000"]
    assert _partners(result.dropped) == {"r0001": "r0000", "r0002": "r0000"}
    assert set(result.dropped["reason"]) == {"dedup:exact"}


@pytest.mark.parametrize(
    "other",
    [
        {"question": "What is it?", "images": ["b"]},
        {"question": "What is it?", "images": ["a", "b"]},
        {"question": "What is it?", "images": []},
        {"question": "What is that?", "images": ["a"]},
        {"question": "What is it?", "images": ["a"], "answer": "no"},
        {"question": "What is it?", "images": ["a"], "options": ["yes", "no"]},
    ],
)
def test_any_difference_keeps_both(make_rows: MakeRows, other: dict[str, object]) -> None:
    rows = make_rows({"question": "What is it?", "images": ["a"]}, other)
    assert drop_exact(rows, ExactConfig()).dropped.is_empty()


@pytest.mark.parametrize(
    ("one", "other"),
    [("Is 2³ over 9?", "Is 23 over 9?"), ("Is it 5!", "Is it 5?"), (".5 of it", "5 of it"), ("log₂8", "log28")],
)
def test_spelling_is_no_reason_to_change_a_number(make_rows: MakeRows, one: str, other: str) -> None:
    rows = make_rows({"question": one}, {"question": other})
    assert drop_exact(rows, ExactConfig()).dropped.is_empty()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is it caf\u00e9", "is it cafe\u0301?"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("１２ ½", "12 1/2"),
        ("x²", "x^2"),
    ],
)
def test_code_points_are_no_difference(make_rows: MakeRows, one: str, other: str) -> None:
    rows = make_rows({"question": one}, {"question": other})
    assert len(drop_exact(rows, ExactConfig()).dropped) == 1


def test_answers_may_be_left_out_of_the_comparison(make_rows: MakeRows) -> None:
    rows = make_rows({"question": "q", "answer": "1"}, {"question": "q", "answer": "2"})
    assert len(drop_exact(rows, ExactConfig(match_answer=False)).dropped) == 1


def test_shuffled_and_relabelled_options_are_equal_when_the_letter_means_the_same(make_rows: MakeRows) -> None:
    rows = make_rows(
        {"question": "q", "options": ["A. cat", "B. dog"], "answer": "B"},
        {"question": "q", "options": ["(A) dog", "(B) cat"], "answer": "(A)"},
        {"question": "q", "options": ["dog", "cat"], "answer": "dog"},
        {"question": "q", "options": ["dog", "cat"], "answer": "B"},
    )
    assert drop_exact(rows, ExactConfig()).kept["id"].to_list() == ["r0000", "r0003"]


@pytest.mark.parametrize(
    ("one", "other"), [(["x: 3", "y: 4"], ["y: 3", "x: 4"]), (["B. dog", "A. cat"], ["A. dog", "B. cat"])]
)
def test_letters_that_do_not_count_the_options_are_part_of_them(
    make_rows: MakeRows, one: list[str], other: list[str]
) -> None:
    rows = make_rows(*[{"question": "q", "options": options, "answer": "A"} for options in (one, other)])
    assert drop_exact(rows, ExactConfig()).dropped.is_empty()


def test_the_best_row_stays(make_rows: MakeRows) -> None:
    rows = make_rows(
        {"question": "q", "verified": None, "n_correct": 9, "size": 64},
        {"question": "q", "verified": False, "n_correct": 9, "size": 64},
        {"question": "q", "verified": True, "n_correct": 1, "size": 64},
        {"question": "q", "verified": True, "n_correct": 3, "size": 64},
    )
    assert drop_exact(rows, ExactConfig()).kept["id"].to_list() == ["r0003"]
    by_source = QualityConfig(by=("source_priority",), sources=("good", "fair"))
    rows = make_rows(
        {"question": "q", "dataset": "x"}, {"question": "q", "dataset": "fair"}, {"question": "q", "dataset": "good"}
    )
    assert drop_exact(rows, ExactConfig(quality=by_source)).kept["id"].to_list() == ["r0002"]


def test_an_unknown_quality_column_is_refused(make_rows: MakeRows) -> None:
    with pytest.raises(ConfigError, match="'votes'"):
        drop_exact(make_rows({"question": "q"}), ExactConfig(quality=QualityConfig(by=("votes",))))


def test_former_rows_win_and_are_not_returned(make_rows: MakeRows) -> None:
    rows = make_rows({"question": "q"}, {"question": "other"}, {"question": "q"})
    former = rows[2:].with_columns(id=pl.lit("z-former"))
    result = drop_exact(rows, ExactConfig(), former)
    assert result.kept["id"].to_list() == ["r0001"]
    assert _partners(result.dropped) == {"r0000": "z-former", "r0002": "z-former"}
    kept_before = drop_exact(rows, ExactConfig(), rows[2:])
    assert kept_before.kept["id"].to_list() == ["r0001", "r0002"]


def test_an_empty_table_and_null_columns(make_rows: MakeRows) -> None:
    rows = make_rows(
        {"question": None, "options": None, "media": None, "answer": None}, {"question": None, "answer": None}
    )
    assert drop_exact(rows[:0], ExactConfig()).kept.is_empty()
    assert len(drop_exact(rows, ExactConfig()).kept) == 1

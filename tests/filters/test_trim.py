"""Where a text is cut, and what becomes of one that cannot be."""

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.trim import STEP, TrimConfig, first_words, opening
from schemas.step import Tables

THOUGHT = "There are two balls. Wait, one is a disc. So there is one. Final answer: one"


def run(rows: dict[str, list[str | None]], **config: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    table = pl.DataFrame(rows, schema=dict.fromkeys(rows, pl.String))
    tables = Tables(table, {}, pl.DataFrame())
    out = STEP.body(tables, TrimConfig(**config), SimpleNamespace(name="half"))
    assert out.rows is not None
    assert sorted([*out.rows["id"], *out.drops["id"]]) == sorted(table["id"])
    return out.rows, out.drops


def known(*columns: str) -> Any:
    return SimpleNamespace(types=lambda of: dict.fromkeys(columns, pl.String()))


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({"words": 0.5}, "There are two balls. Wait, one is a"),
        ({"words": 0.01}, None),
        ({"after": ["wait,"]}, "There are two balls. Wait,"),
        ({"before": ["Final answer:", "Answer:"]}, "There are two balls. Wait, one is a disc. So there is one."),
        ({"before": "wait"}, "There are two balls."),
        ({"after": ["is"], "at": "last"}, "There are two balls. Wait, one is a disc. So there is"),
        ({"before": ["There"]}, None),
        ({"before": ["all"]}, None),  # a cue is a whole word, and "balls" is another
    ],
)
def test_a_text_is_cut_after_a_share_of_its_words_or_at_a_cue(config: dict[str, Any], kept: str | None) -> None:
    assert opening(THOUGHT, TrimConfig(**config))[0] == kept


@pytest.mark.parametrize(
    ("thought", "kept"),
    [
        ("Two balls and a disc. So the answer is 3.", "Two balls and a disc."),
        ("Two and one.\nThree.", "Two and one."),
        ("Two balls and a disc.", "Two balls and a disc."),  # it does not state an answer
        ("The answer is three.", None),
    ],
)
def test_a_thought_is_cut_before_its_answer(thought: str, kept: str | None) -> None:
    rows, drops = run({"id": ["a"], "reasoning": [thought], "final": ["three"]}, answer=True)
    assert rows["trim"].to_list() == ([kept] if kept else [])
    assert drops["reason"].to_list() == ([] if kept else ["half:nothing_left"])
    assert set(STEP.reads(TrimConfig(answer=True), known("reasoning", "final")).rows) == {"reasoning", "final"}


@given(st.text(), st.floats(0.01, 0.99))
def test_what_is_left_is_the_beginning_and_its_words_are_the_share(text: str, share: float) -> None:
    kept = first_words(text, share)
    assert text.startswith(kept)
    assert len(kept.split()) <= share * len(text.split()) + 1e-9


def test_a_share_is_a_decimal_fraction() -> None:
    assert len(first_words("w " * 100, 0.29).split()) == 29


def test_rows_that_cannot_be_cut_drop_with_their_cause() -> None:
    rows, drops = run({"id": ["a", "b", "c", "d"], "text": ["one two", "So: two", " ", None]}, before=["two", "so"])
    assert rows.rows() == [("a", "one")]
    assert drops.rows() == [
        ("b", "half:nothing_left", '{"words":2}'),
        ("c", "half:no_text", '{"words":0}'),
        ("d", "half:no_text", '{"words":0}'),
    ]


def test_they_are_kept_without_an_opening_where_that_is_wished() -> None:
    rows, drops = run({"id": ["a", "b"], "text": ["one two", "one"]}, words=0.5, uncut="keep", gives={"cause": "text"})
    assert rows.rows() == [("a", "one"), ("b", None)]
    assert rows.columns == ["id", "cause"]
    assert drops.is_empty()


def test_the_reasoning_is_cut_and_the_text_where_there_is_none() -> None:
    rows, _ = run({"id": ["a", "b"], "reasoning": ["x y", None], "text": ["1 2", "3 4"]}, words=0.5)
    assert rows.rows() == [("a", "x"), ("b", "3")]
    assert rows.columns == ["id", "trim"]


def test_it_reads_the_text_that_there_is_and_gives_one_text() -> None:
    plain = TrimConfig(words=0.5)
    assert set(STEP.reads(plain, known("reasoning", "text", "final")).rows) == {"reasoning", "text"}
    assert set(STEP.reads(plain, known("text")).rows) == {"text"}
    assert set(STEP.reads(plain, known()).rows) == {"text"}  # which the compiler then refuses by name
    assert STEP.reads(TrimConfig(words=0.5, column="why.final"), known()).rows["text"].ref == ("why", "final")
    assert STEP.gives(TrimConfig.model_validate({"words": 0.5, "as": "half"}), known()).columns == {"half": pl.String()}
    assert STEP.gives(TrimConfig(words=0.5, gives={"opening": "text"}), known()).columns == {"opening": pl.String()}


def test_an_empty_table_stays_one() -> None:
    rows, drops = run({"id": [], "text": []}, words=0.5)
    assert rows.is_empty() and drops.is_empty()


@pytest.mark.parametrize(
    "config", [{}, {"words": 0.5, "after": ["so"]}, {"words": 1.0}, {"after": [" "]}, {"words": 0.5, "gives": {}}]
)
def test_one_way_to_cut_is_named(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrimConfig(**config)

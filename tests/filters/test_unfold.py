# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""Items of a column as rows: read as replies are, or as they are."""

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from filters.unfold import STEP, UnfoldConfig
from schemas.reply_row import REPLY
from schemas.step import Gives, Out, Tables


def run(items: list[Any], dtype: Any, **section: Any) -> Out:
    config = UnfoldConfig.model_validate({"as": "given", "column": "held", "makes": "trace", **section})
    rows = pl.DataFrame({"id": [f"s{i}" for i in range(len(items))], "items": items}, schema_overrides={"items": dtype})
    context: Any = SimpleNamespace(name="given", gold_visible=False)
    out = STEP.body(Tables(rows, {}, pl.DataFrame()), config, context)
    assert out.rows is not None
    given = gives(dtype, **section)
    assert dict(out.rows.schema) == {"id": pl.String(), "parent_id": pl.String(), **given.columns}
    return out


def gives(dtype: Any, **section: Any) -> Gives:
    known: Any = SimpleNamespace(types=lambda of: {"held": dtype})
    return STEP.gives(
        UnfoldConfig.model_validate({"as": "given", "column": "held", "makes": "trace", **section}), known
    )


def test_published_responses_become_traces_with_thought_and_answer() -> None:
    out = run(
        [["<think>2 + 2</think>The answer is 4.", "It is four. So the answer is 4."], ["The answer is 5."]],
        pl.List(pl.String()),
    )
    assert out.rows is not None
    read = out.rows.select("parent_id", "index", "reasoning", "final", "thinking", "model", "finish_reason").rows()
    assert read == [
        ("s0", 0, "2 + 2", "4", True, None, "stop"),
        ("s0", 1, "It is four. So the answer is 4.", "4", False, None, "stop"),
        ("s1", 0, "The answer is 5.", "5", False, None, "stop"),
    ]
    assert out.rows["id"].n_unique() == 3


def test_an_object_names_its_model_and_keeps_its_other_fields() -> None:
    item = pl.Struct({"text": pl.String(), "model": pl.String(), "right": pl.Boolean()})
    out = run([[{"text": "The answer is 4.", "model": "gpt", "right": True}]], pl.List(item))
    assert out.rows is not None
    assert out.rows.select("model", "right", "final").rows() == [("gpt", True, "4")]


def test_a_reply_that_came_with_the_gold_in_sight_says_so() -> None:
    item = pl.Struct({"text": pl.String(), "gold_visible": pl.Boolean()})
    seen = [True, False, None]
    out = run([[{"text": "The answer is 4.", "gold_visible": one} for one in seen]], pl.List(item))
    assert out.rows is not None
    assert out.rows["gold_visible"].to_list() == [True, False, False]


@pytest.mark.parametrize(
    ("items", "dtype", "columns", "rows"),
    [
        ([["a", "b"], [], None], pl.List(pl.String()), {"given": pl.String()}, [("a",), ("b",)]),
        (["a"], pl.String(), {"given": pl.String()}, [("a",)]),
        ([[1, 2]], pl.List(pl.Int64()), {"given": pl.Int64()}, [(1,), (2,)]),
        ([[{"q": "a", "n": 1}]], pl.List(pl.Struct({"q": pl.String(), "n": pl.Int64()})), {"q": pl.String(), "n": pl.Int64()}, [("a", 1)]),
    ],
)  # fmt: skip
def test_items_that_are_no_replies_are_kept_as_they_are(items: list[Any], dtype: Any, columns: Any, rows: Any) -> None:
    out = run(items, dtype, replies=False, makes="part")
    assert out.rows is not None
    assert out.rows.select(list(columns)).rows() == rows
    assert out.drops.is_empty()


def test_blank_items_are_dropped_with_their_place() -> None:
    out = run([["The answer is 4.", " ", None]], pl.List(pl.String()))
    assert out.drops.select("reason", "evidence", "parent_id").rows() == [
        ("given:empty", '{"place":1}', "s0"),
        ("given:empty", '{"place":2}', "s0"),
    ]


@pytest.mark.parametrize(
    ("dtype", "sentence"),
    [
        (pl.Int64(), "items of `held` are Int64, and a reply is a text, or an object with `text` (a text); of other items, say `replies: false`"),
        (pl.List(pl.Struct({"text": pl.String(), "final": pl.String()})), "'final' is a column that rows of replies have already; rename it in the source's `select`"),
    ],
)  # fmt: skip
def test_items_that_are_no_replies_are_refused_where_replies_are_wanted(dtype: Any, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        gives(dtype)
    assert str(error.value) == sentence


def test_replies_have_all_columns_of_replies() -> None:
    assert gives(pl.List(pl.String())) == Gives(dict(REPLY), makes="trace")


def test_an_answer_pattern_is_for_replies() -> None:
    with pytest.raises(ValidationError, match="items that are none have `replies: false`"):
        UnfoldConfig(column="held", makes="part", replies=False, answer_pattern="(?P<answer>x)")

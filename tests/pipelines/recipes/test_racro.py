"""RACRO: the caption from which a reasoner answers best is trained on, and preferred to the worst."""

from types import SimpleNamespace
from typing import Any

import polars as pl

from pipelines.job import compile_recipe
from schemas.step import Tables

CAPTIONS = pl.DataFrame(
    {
        "id": ["a", "b", "c", "d"],
        "sample_id": ["s"] * 4,
        "parent_id": ["s"] * 4,
        "described": ["a bar of 7", "a bar", "a chart", "a bar of 4"],
        "model": ["extractor"] * 4,
        "finish_reason": ["stop"] * 4,
        "success": [1.0, 0.5, 0.25, 0.0],  # of four readings each: 4, 2, 1 and 0 right
    }
)


def ran(name: str, rows: pl.DataFrame) -> Any:
    """What a step of the recipe makes of these captions; steps read columns under names of their own."""
    step = compile_recipe("racro").pipeline.step(name)
    own = {"_text": "described", "_model": "model", "_end": "finish_reason", "_value": "success", "value": "success"}
    rows = rows.with_columns(pl.col(column).alias(name) for name, column in own.items())
    context: Any = SimpleNamespace(name=name, seed=0)
    return step.type.body(Tables(rows, {}, pl.DataFrame()), step.config, context)


def test_the_pair_is_that_of_the_widest_margin() -> None:
    rows = ran("pair", CAPTIONS).rows
    assert rows.select("chosen", "rejected", "margin").rows() == [("a bar of 7", "a bar of 4", 1.0)]


def test_captions_that_differ_by_less_than_half_of_the_readings_make_no_pair() -> None:
    near = CAPTIONS.with_columns(success=pl.Series([0.5, 0.25, 0.25, 0.25]))
    assert ran("pair", near).rows.height == 0


def best(rows: pl.DataFrame) -> list[str]:
    """The captions that are trained on. None is dropped, as its pair would go with it."""
    out = ran("best", rows)
    assert out.drops.is_empty()
    marked: list[str] = out.rows.filter("best")["id"].to_list()
    return marked


def test_the_best_caption_is_trained_on_unless_nobody_could_answer_from_it() -> None:
    assert best(CAPTIONS) == ["a"]
    assert best(CAPTIONS.with_columns(success=pl.Series([0.5, 1.0, 1.0, 0.0]))) == ["b"]
    assert best(CAPTIONS.with_columns(success=pl.lit(0.0))) == []

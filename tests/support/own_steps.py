"""Steps of published recipes by themselves: the compiled step of a recipe, run on rows that a test writes down."""

from types import SimpleNamespace
from typing import Any

import polars as pl

from pipelines.job import compile_recipe
from schemas.step import Out, Tables

BASE = {"id": pl.String, "sample_id": pl.String, "parent_id": pl.String, "made_by": pl.String}


def table(*rows: dict[str, Any], **types: Any) -> pl.DataFrame:
    """Rows of the sample `s`, made from it by `step`, unless they say otherwise. `types` are those of their own columns."""
    given = {"sample_id": "s", "parent_id": "s", "made_by": "step"}
    return pl.DataFrame([{**given, **row} for row in rows], schema={**BASE, **types})


def run(recipe: str, step: str, rows: pl.DataFrame, **beside: pl.DataFrame) -> Out:
    """What the step of the recipe makes of rows, as the recipe has it."""
    found = compile_recipe(recipe).pipeline.step(step)
    context: Any = SimpleNamespace(name=step, seed=0)
    out: Out = found.type.body(Tables(rows, beside, pl.DataFrame()), found.config, context)
    return out

"""Curr-ReFT: the reward weighs by how hard the form of an answer is: yes or no, then a choice, then an open answer.

arXiv 2503.07065: the same content is asked in three forms (`order: forms` puts them in that order), with a reward that is
aware of their difficulty. The numbers are in nothing that can be read: the defaults rise evenly and are ours. Nothing is
dropped or ranked.
"""

from typing import Annotated, Literal

import polars as pl
from pydantic import Field

from schemas.section import Section

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Form = Literal["binary", "choice", "open"]


class CurrReFTConfig(Section):
    """What each form weighs."""

    type: Literal["curr_reft"] = "curr_reft"
    weights: dict[Form, Weight] = Field(
        default={"binary": 1 / 3, "choice": 2 / 3, "open": 1.0}, description="weight of a row by its form (unpublished)"
    )


COLUMNS = ("form",)


def judge(rows: pl.DataFrame, config: CurrReFTConfig, seed: int) -> pl.DataFrame:
    """`value` = 1, `weight` that of the form; a form that `weights` does not name weighs 1. All pass."""
    weight = pl.col("form").replace_strict(dict(config.weights), default=1.0, return_dtype=pl.Float64)
    return rows.select("id", "form", value=pl.lit(1.0), weight=weight, cause=pl.lit(None, pl.String))

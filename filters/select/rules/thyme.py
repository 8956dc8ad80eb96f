"""Thyme-video: prompts that are neither always nor never solved, and that want the tool.

The card of Thyme's video set: 8 rollouts of 12,000 prompts; out go 2,495 that are right 8 of 8 times, 476 that never are,
and 3,645 that 5 of 8 rollouts or more solve without the tool: 5,384 are left. The counts without the tool are read as
`k_direct` of `n_direct`: of rollouts that did not call it, or that had none. The source orders nothing.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from filters.select.rules.share import Share, at_least
from schemas.section import Section


class ThymeConfig(Section):
    """When a prompt does not want the tool."""

    type: Literal["thyme"] = "thyme"
    direct: Share = Field(
        default="5/8", validate_default=True, description="share solved without the tool from which it is not needed"
    )


COLUMNS = ("k", "n", "k_direct", "n_direct")


def window(config: ThymeConfig, n: int) -> None:
    """None: 5 of 8 tries without the tool are counted, too."""


def judge(rows: pl.DataFrame, config: ThymeConfig, seed: int) -> pl.DataFrame:
    """`value` = 1. Causes: `too_easy` (k = n), `too_hard` (k = 0), `tool_free`."""
    k, n = pl.col("k"), pl.col("n")
    cause = (
        pl.when(k >= n)
        .then(pl.lit("too_easy"))
        .when(k <= 0)
        .then(pl.lit("too_hard"))
        .when(at_least(pl.col("k_direct"), pl.col("n_direct"), config.direct))
        .then(pl.lit("tool_free"))
    )
    return rows.select("id", *COLUMNS, value=pl.lit(1.0), cause=cause)

"""General-Reasoner: drop what a strong model never or always gets right in eight tries.

arXiv 2505.14652 (WebInstruct-verified): 0 of 8 is bad or impossible, 8 of 8 trivial. There the tries are Gemini's; here
they are those of `select.model`. The Thyme-video card drops the same two ends (and rows solved without its tool in 5 of 8
tries, which has no counterpart here). The source orders nothing, so a budget is filled by chance.
"""

from typing import Literal

import polars as pl

from schemas.section import Section


class GeneralReasonerConfig(Section):
    """It has no parameters."""

    type: Literal["general_reasoner"] = "general_reasoner"


COLUMNS = ("k", "n")


def window(config: GeneralReasonerConfig, n: int) -> tuple[int, int]:
    """Least and greatest number of right rollouts out of n that pass."""
    return 1, n - 1


def judge(rows: pl.DataFrame, config: GeneralReasonerConfig, seed: int) -> pl.DataFrame:
    """`value` = 1. Causes: `too_hard` (k = 0), `too_easy` (k = n)."""
    k, n = pl.col("k"), pl.col("n")
    cause = pl.when(k <= 0).then(pl.lit("too_hard")).when(k >= n).then(pl.lit("too_easy"))
    return rows.select("id", "k", "n", value=pl.lit(1.0), cause=cause)

"""Variance: train where the model neither always fails nor always succeeds.

A group of rollouts that all agree has no advantage to learn from. The value of a sample is the Bernoulli variance
p(1-p) of its pass rate: the outcome-variance score of MMR1 (arXiv 2509.21268, section 3, and `learnability` in
`verl/curriculum/metrics.py` of LengSicong/MMR1). The window in counts is ours; its default drops what cannot vary.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from filters.select.rules.rule import VARIANCE
from schemas.section import Section


class VarianceConfig(Section):
    """The window."""

    type: Literal["variance"] = "variance"
    min_correct: int = Field(default=1, ge=0, description="least number of right rollouts")
    min_wrong: int = Field(default=1, ge=0, description="least number of wrong rollouts")


COLUMNS = ("k", "n")


def window(config: VarianceConfig, n: int) -> tuple[int, int]:
    """Least and greatest number of right rollouts out of n that pass."""
    return config.min_correct, n - config.min_wrong


def judge(rows: pl.DataFrame, config: VarianceConfig, seed: int) -> pl.DataFrame:
    """`value` = p(1-p). Causes: `too_hard` (too few right rollouts), `too_easy` (too few wrong ones)."""
    cause = (
        pl.when(pl.col("k") < config.min_correct)
        .then(pl.lit("too_hard"))
        .when(pl.col("n") - pl.col("k") < config.min_wrong)
        .then(pl.lit("too_easy"))
    )
    return rows.select("id", "k", "n", value=VARIANCE, cause=cause)

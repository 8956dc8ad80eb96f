"""Temporal-R1: keep what the repeats of the starting model disagree about.

arXiv 2506.01908 (Temporal-RLT, 490k to 32k). Right-or-wrong answers: 0 < c < N. Graded ones (tIoU): the spread of the
scores within the group is high. N, the cut-off of the spread and the quotas by task are in nothing that can be read, so N is
`rollouts.n` (the trainer's group is 8), `std_min` is a parameter, and quotas by task are `select.quotas`.

Both kinds are valued by the variance of their scores, which for 0 and 1 is p(1-p): one scale.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from filters.select.rules.rule import VARIANCE, scaled
from schemas.section import Section

NO_SPREAD = 1e-9
"""Equal scores can differ by rounding."""


class TemporalR1Config(Section):
    """Which answers are graded, and how far their scores must spread."""

    type: Literal["temporal_r1"] = "temporal_r1"
    graded: tuple[str, ...] = Field(
        default=("spans", "boxes", "points", "mask", "track"), description="answer kinds whose score is a degree"
    )
    std_min: float = Field(
        default=0.0, ge=0, le=0.5, description="graded: least standard deviation (unpublished; at 0 any spread will do)"
    )
    min_rollouts: int = Field(default=2, ge=2, description="fewer scored rollouts show no spread")


COLUMNS = ("k", "n", "score_std", "kind")


def window(config: TemporalR1Config, n: int) -> tuple[int, int]:
    """Least and greatest number of right rollouts out of n that pass."""
    return (1, n - 1) if n >= config.min_rollouts else (config.min_rollouts, n)


def judge(rows: pl.DataFrame, config: TemporalR1Config, seed: int) -> pl.DataFrame:
    """`value` = variance of the scores. Causes: `too_few_rollouts`, `too_hard`, `too_easy`, `no_spread` (graded)."""
    k, n, std = pl.col("k"), pl.col("n"), pl.col("score_std")
    graded = pl.col("kind").is_in(list(config.graded))
    cause = (
        pl.when(n < config.min_rollouts)
        .then(pl.lit("too_few_rollouts"))
        .when(graded & ((std < config.std_min) | (std <= NO_SPREAD)))
        .then(pl.lit("no_spread"))
        .when(~graded & (k <= 0))
        .then(pl.lit("too_hard"))
        .when(~graded & (k >= n))
        .then(pl.lit("too_easy"))
    )
    value = pl.when(graded).then(scaled(std * std)).otherwise(VARIANCE)
    return rows.select("id", "k", "n", "score_std", "kind", value=value, cause=cause)

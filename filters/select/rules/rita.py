"""RITA: buckets by how many rollouts find the span, and the spread of their IoU.

N rollouts, of which d have an IoU of at least tau: hard up to gamma_h N, easy from gamma_e N on, medium between. Rows are
kept by bucket and by the variance of their IoU. tau, both gammas, the buckets and the least variance are in nothing that can
be read, so all are parameters: tau is what counts as right (`difficulty: {correct: "score >= 0.5"}`), the others' defaults
are ours.
"""

from typing import Literal, Self

import polars as pl
from pydantic import Field, model_validator

from filters.select.rules.rule import scaled
from filters.select.rules.share import Share, above, at_least
from filters.select.rules.temporal_r1 import NO_SPREAD
from schemas.section import Section

Bucket = Literal["hard", "medium", "easy"]


class RitaConfig(Section):
    """The ends of the buckets, and which are kept."""

    type: Literal["rita"] = "rita"
    hard: Share = Field(
        default="1/4",
        validate_default=True,
        description="gamma_h (unpublished): hard up to this share of right rollouts",
    )
    easy: Share = Field(
        default="3/4",
        validate_default=True,
        description="gamma_e (unpublished): easy from this share of right rollouts on",
    )
    keep: tuple[Bucket, ...] = Field(default=("hard", "medium"), min_length=1, description="buckets (unpublished)")
    variance_min: float = Field(
        default=0.0, ge=0, le=0.25, description="least variance of the scores (unpublished; at 0 any spread will do)"
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.hard >= self.easy:
            raise ValueError(f"hard ends at {self.hard} of the rollouts, so easy begins above that")
        return self


COLUMNS = ("k", "n", "score_std")


def window(config: RitaConfig, n: int) -> None:
    """None: the spread of all n scores counts, too."""


def judge(rows: pl.DataFrame, config: RitaConfig, seed: int) -> pl.DataFrame:
    """`value` = variance of the scores, `bucket`. Causes: `too_hard`, `too_easy`, `medium` (not kept), `no_spread`."""
    k, n, variance = pl.col("k"), pl.col("n"), pl.col("score_std") ** 2
    bucket = (
        pl.when(~above(k, n, config.hard))
        .then(pl.lit("hard"))
        .when(at_least(k, n, config.easy))
        .then(pl.lit("easy"))
        .otherwise(pl.lit("medium"))
    )
    judged = rows.select("id", *COLUMNS, bucket=bucket, value=scaled(variance))
    out = pl.col("bucket").replace({"hard": "too_hard", "easy": "too_easy"})
    flat = (variance < config.variance_min) | (pl.col("score_std") <= NO_SPREAD)
    cause = pl.when(~pl.col("bucket").is_in(list(config.keep))).then(out).when(flat).then(pl.lit("no_spread"))
    return judged.with_columns(cause=cause)

"""Difficulty: how often a named model gets a question right, as counts with error bars.

Counts, never rates, are what is stored and compared: 0.8 - 0.6 > 0.2 holds in floating point while 0.4 - 0.2 > 0.2 does
not. A cut-off rollout is counted apart, and the recipe says whether it is wrong or no evidence at all.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from schemas.section import Section
from schemas.split import Split, split


class DifficultyConfig(Section):
    """What counts."""

    truncated: Literal["wrong", "unscored"] = Field(
        default="wrong", description="a rollout that was cut off: a wrong answer, or no evidence"
    )
    z: float = Field(default=1.96, gt=0, description="normal quantile of the interval; 1.96 is 95 %")


def measure(rollouts: pl.DataFrame, config: DifficultyConfig) -> pl.DataFrame:
    """Counts by sample from scored rollouts (`sample_id, finish_reason, correct, score`).

    Returns `id, k, n, truncated, unscored, pass_rate, low, high, variance, mean_score, score_std`: k right out of n
    that count, the Wilson score interval (Wilson 1927, JASA 22; Brown, Cai & DasGupta 2001, Statistical Science 16,
    section 3.1.1), and the Bernoulli variance p(1-p). `n` is 0 where nothing could be scored.
    """
    cut = pl.col("finish_reason") == "length"
    counted = pl.col("correct").is_not_null() & ~cut
    if config.truncated == "wrong":
        counted = counted | cut
    right = counted & ~cut & pl.col("correct").fill_null(False)
    z2 = config.z**2
    p, n = pl.col("k") / pl.col("n"), pl.col("n")
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = (config.z / (1 + z2 / n)) * (p * (1 - p) / n + z2 / (4 * n * n)).sqrt()
    return (
        rollouts.group_by(pl.col("sample_id").alias("id"))
        .agg(
            right.sum().cast(pl.Int32).alias("k"),
            counted.sum().cast(pl.Int32).alias("n"),
            cut.sum().cast(pl.Int32).alias("truncated"),
            (pl.col("correct").is_null() & ~cut).sum().cast(pl.Int32).alias("unscored"),
            pl.col("score").mean().alias("mean_score"),
            pl.col("score").std(ddof=0).alias("score_std"),
        )
        .with_columns(
            p.alias("pass_rate"),
            # The exact ends are 0 and 1 at k = 0 and k = n; rounding must not step over them.
            (centre - half).clip(0.0, 1.0).alias("low"),
            (centre + half).clip(0.0, 1.0).alias("high"),
            (p * (1 - p)).alias("variance"),
        )
        .sort("id")
    )


def drop_unmeasured(samples: pl.DataFrame, measured: pl.DataFrame) -> Split:
    """Join samples (`id, …`) with their counts; a sample without one scored rollout is dropped."""
    rows = samples.join(measured, on="id", how="left", maintain_order="left")
    reason = pl.when(pl.col("n").fill_null(0) == 0).then(pl.lit("difficulty:unmeasured"))
    return split(rows, reason, {"unscored": pl.col("unscored")})


def band() -> pl.Expr:
    """The difficulty band of `k` of `n`: unsolved (k = 0), hard (up to 1/5), medium, easy (from 4/5), solved (k = n).

    The cuts at 0.2 and 0.8 are MMR1's (arXiv 2509.21268, data curation); in counts, so that no rounding decides.
    """
    k, n = pl.col("k").cast(pl.Int64), pl.col("n").cast(pl.Int64)
    return (
        pl.when(k == 0)
        .then(pl.lit("unsolved"))
        .when(k == n)
        .then(pl.lit("solved"))
        .when(5 * k <= n)
        .then(pl.lit("hard"))
        .when(5 * k >= 4 * n)
        .then(pl.lit("easy"))
        .when(n > 0)
        .then(pl.lit("medium"))
        .alias("band")
    )

"""Difficulty: how often a named model gets a question right, as counts with error bars.

Counts, never rates, are what is stored and compared: 0.8 - 0.6 > 0.2 holds in floating point while 0.4 - 0.2 > 0.2 does
not. A cut-off rollout is counted apart, and the recipe says whether it is wrong or no evidence at all.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import polars as pl
from pydantic import Field, PositiveInt

from filters.intervals import beta_interval, pass_at, wilson
from schemas.adaptive import BetaPrior
from schemas.section import Section
from schemas.split import Split, split


class DifficultyConfig(Section):
    """What counts."""

    truncated: Literal["wrong", "unscored"] = Field(
        default="wrong", description="a rollout that was cut off: a wrong answer, or no evidence"
    )
    z: float = Field(default=1.96, gt=0, description="normal quantile of the intervals; 1.96 is 95 %")
    prior: BetaPrior = Field(default=BetaPrior(), description="of the Beta interval; Jeffreys' by default")
    pass_at: tuple[PositiveInt, ...] = Field(
        default=(4, 8), description="the k of the pass@k columns; null where n < k"
    )


BY = ("sample_id", "model")


def outcome(truncated: Literal["wrong", "unscored"]) -> pl.Expr:
    """What a rollout (`finish_reason`, `correct`) counts as: true, false, or null for no evidence."""
    cut = pl.col("finish_reason") == "length"
    return pl.when(cut).then(pl.lit(False if truncated == "wrong" else None)).otherwise(pl.col("correct"))


def measure(rollouts: pl.DataFrame, config: DifficultyConfig, by: Sequence[str] = BY) -> pl.DataFrame:
    """Counts from scored rollouts (`sample_id, model, finish_reason, correct, score, tokens`), one row a group of `by`.

    Returns `id` (the sample's) and the rest of `by`, then

    - `k, n` right out of those that count, `asked, truncated, unscored` (of all rollouts, truncated ones apart);
    - `pass_rate` = k/n with the Wilson interval `low, high`, and the Beta posterior's `beta_low, beta_high, beta_mean`;
    - `variance` = p(1-p), `variance_unbiased` = k(n-k)/(n(n-1)), and `pass_at_<t>` for each t of the config;
    - for scores that are no mere right or wrong: `mean_score`, `score_std` (divided by n, Temporal-R1's spread) and
      `score_variance_unbiased` (divided by n - 1);
    - `tokens`, the mean length of a reply (the complexity of NeuraLadder, arXiv 2505.12432), and `tokens_correct`, that
      of the right ones (VL-Cogito's target length, arXiv 2507.22607).

    `n` is 0 where nothing could be scored; what divides by it is then null. Sorted by id and the rest of `by`.
    """
    cut, said = pl.col("finish_reason") == "length", outcome(config.truncated)
    score = pl.when(cut).then(pl.lit(0.0 if config.truncated == "wrong" else None)).otherwise(pl.col("score"))
    keys = [pl.col(name).alias("id") if name == "sample_id" else pl.col(name) for name in by]
    counts = rollouts.group_by(keys).agg(
        said.sum().cast(pl.Int32).alias("k"),
        said.count().cast(pl.Int32).alias("n"),
        pl.len().cast(pl.Int32).alias("asked"),
        cut.sum().cast(pl.Int32).alias("truncated"),
        (pl.col("correct").is_null() & ~cut).sum().cast(pl.Int32).alias("unscored"),
        score.mean().alias("mean_score"),
        score.std(ddof=0).alias("score_std"),
        score.var(ddof=1).alias("score_variance_unbiased"),
        pl.col("tokens").mean().alias("tokens"),
        pl.col("tokens").filter(said).mean().alias("tokens_correct"),
    )
    names = [name.replace("sample_id", "id") for name in by]
    return _with_rates(counts, config).sort(names)


def _with_rates(counts: pl.DataFrame, config: DifficultyConfig) -> pl.DataFrame:
    k, n = pl.col("k"), pl.col("n")
    p = k / n
    low, high = wilson(config.z)
    rates = {
        "pass_rate": p,
        "low": low,
        "high": high,
        "variance": p * (1 - p),
        "variance_unbiased": k * (n - k) / (n * (n - 1)),
        **{f"pass_at_{tries}": pass_at(tries) for tries in config.pass_at},
    }
    table = counts.with_columns(**{name: rate.fill_nan(None) for name, rate in rates.items()})
    return beta_interval(table, 2 * NormalDist().cdf(config.z) - 1, config.prior)


def drop_unmeasured(samples: pl.DataFrame, measured: pl.DataFrame) -> Split:
    """Join samples (`id, …`) with their counts; a sample without one scored rollout is dropped."""
    rows = samples.join(measured, on="id", how="left", maintain_order="left")
    reason = pl.when(pl.col("n").fill_null(0) == 0).then(pl.lit("difficulty:unmeasured"))
    return split(rows, reason, {name: pl.col(name) for name in ("asked", "truncated", "unscored")})

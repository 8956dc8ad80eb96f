"""Discrepancy: what the model can solve in several tries and seldom solves in one.

LLaVA-OneVision-1.5-RL (arXiv 2509.23661v3): keep tasks of a high pass@N and a low pass@1, then drop those whose mean reward
is too high or too low (67K of them). N and all thresholds are unpublished: parameters, whose defaults are ours. A verdict is
a reward of 0 or 1 there, so the mean reward differs from pass@1 only where answers have degrees.
"""

from fractions import Fraction
from math import comb
from typing import Literal, Self

import polars as pl
from pydantic import Field, model_validator

from filters.select.rules.share import Share
from schemas.section import Section


class DiscrepancyConfig(Section):
    """The three thresholds."""

    type: Literal["discrepancy"] = "discrepancy"
    tries: int | None = Field(
        default=None,
        ge=2,
        description="N of pass@N (unpublished); null: all rollouts that count, so that one right will do",
    )
    solved: Share = Field(
        default="1/2", validate_default=True, description="lowest pass@N (unpublished), compared as counts"
    )
    at_once: Share = Field(
        default="1/2", validate_default=True, description="highest pass@1 (unpublished), compared as counts"
    )
    reward_low: float = Field(default=0.1, ge=0, le=1, description="lowest mean reward (unpublished)")
    reward_high: float = Field(default=0.9, ge=0, le=1, description="highest mean reward (unpublished)")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.reward_low > self.reward_high:
            raise ValueError(f"no mean reward is at least {self.reward_low:g} and at most {self.reward_high:g}")
        return self


COLUMNS = ("k", "n", "mean_score")


def window(config: DiscrepancyConfig, n: int) -> None:
    """None: pass@N is of N rollouts, and the mean reward of all."""


def judge(rows: pl.DataFrame, config: DiscrepancyConfig, seed: int) -> pl.DataFrame:
    """`value` = pass@N - pass@1. Causes: `too_few_rollouts`, `too_hard`, `too_easy`, `reward_low`, `reward_high`."""
    kinds = rows.select("k", "n").unique().sort("n", "k")
    verdicts = [_verdict(k, n, config) for k, n in kinds.iter_rows()]
    schema = {"pass_at_n": pl.Float64, "value": pl.Float64, "cause": pl.String}
    judged = rows.join(
        kinds.hstack(pl.DataFrame(verdicts, schema=schema, orient="row")),
        on=["k", "n"],
        how="left",
        maintain_order="left",
    )
    reward = pl.col("mean_score")
    cause = (
        pl.when(pl.col("cause").is_not_null())
        .then("cause")
        .when(reward < config.reward_low)
        .then(pl.lit("reward_low"))
        .when(reward > config.reward_high)
        .then(pl.lit("reward_high"))
    )
    return judged.select("id", "k", "n", "mean_score", "pass_at_n", "value", cause=cause)


def _verdict(k: int, n: int, config: DiscrepancyConfig) -> tuple[float | None, float | None, str | None]:
    """pass@N (the unbiased estimate 1 - C(n-k, N)/C(n, N), Chen et al. 2021), its distance from k/n, and what is wrong."""
    tries = config.tries or n
    if n < tries or n == 0:
        return None, None, "too_few_rollouts"
    several, once = 1 - Fraction(comb(n - k, tries), comb(n, tries)), Fraction(k, n)
    cause = "too_hard" if several < config.solved else "too_easy" if once > config.at_once else None
    return float(several), float(several - once), cause

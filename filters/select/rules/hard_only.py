"""Hard only: what a small student never gets right, or gets right seldom, of samples whose gold a teacher has confirmed.

MMFineReason (arXiv 2601.21821; `pipeline/selection.py` of LHL3341/MMFineReason): of the samples on which the 235B teacher
reaches the gold, those that Qwen3-VL-4B-Thinking fails 4 of 4 times (the 123K rows), or fails once at least (`max_correct:
3`, the 586K rows). Without the teacher's check, what is kept is mostly wrong golds; so the rule reads one, in `confirmed`.

A rollout that was cut off, or that no server answered, is no failure: it leaves n (`difficulty`), and a row of which too few
are left is `unmeasured`, neither hard nor easy. In the published code both count as wrong, and such rows are kept.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from filters.select.rules import base_fails
from schemas.section import Section


class HardOnlyConfig(Section):
    """The upper end."""

    type: Literal["hard_only"] = "hard_only"
    max_correct: int | None = Field(
        default=0, ge=0, description="greatest number of right rollouts; null: any, as long as one is wrong"
    )


COLUMNS = ("k", "n", "confirmed")
"""`confirmed` is true, or how many teachers confirm the gold; null where none could tell."""


def window(config: HardOnlyConfig, n: int) -> tuple[int, int]:
    """Least and greatest number of right rollouts out of n that pass."""
    return base_fails.window(_fails(config), n)


def judge(rows: pl.DataFrame, config: HardOnlyConfig, seed: int) -> pl.DataFrame:
    """`value` = 1 - p, so a budget takes the hardest first. Causes: `disputed` (no teacher is right), `too_easy`."""
    failed = base_fails.judge(rows, _fails(config), seed)
    disputed = rows["confirmed"].cast(pl.Float64) <= 0
    cause = pl.when(disputed).then(pl.lit("disputed")).otherwise("cause")
    return failed.with_columns(rows["confirmed"], cause=cause)


def _fails(config: HardOnlyConfig) -> base_fails.BaseFailsConfig:
    return base_fails.BaseFailsConfig(max_correct=config.max_correct)

"""Hard only: what a small student never gets right, or gets right seldom, of samples whose gold a teacher has confirmed.

MMFineReason (arXiv 2601.21821; `pipeline/selection.py` of LHL3341/MMFineReason): of the samples on which the 235B teacher
reaches the gold, those that Qwen3-VL-4B-Thinking fails 4 of 4 times (the 123K rows), or fails once at least (`max_correct:
3`, the 586K rows). Without the teacher's check first, what is kept is mostly wrong golds.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from schemas.section import Section


class HardOnlyConfig(Section):
    """The upper end."""

    type: Literal["hard_only"] = "hard_only"
    max_correct: int = Field(default=0, ge=0, description="greatest number of right rollouts")


COLUMNS = ("k", "n")


def window(config: HardOnlyConfig, n: int) -> tuple[int, int]:
    """Least and greatest number of right rollouts out of n that pass."""
    return 0, config.max_correct


def judge(rows: pl.DataFrame, config: HardOnlyConfig, seed: int) -> pl.DataFrame:
    """`value` = 1 - p, so a budget takes the hardest first. Cause: `too_easy`."""
    cause = pl.when(pl.col("k") > config.max_correct).then(pl.lit("too_easy"))
    return rows.select("id", "k", "n", value=1 - pl.col("k") / pl.col("n"), cause=cause)

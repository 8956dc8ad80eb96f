"""What the base model fails: the rows on which it is never right, or not always.

UI-R1 (arXiv 2503.21620) keeps the GUI tasks that its base model gets wrong, and spreads them over actions (`quotas`).
UnifiedReward-Think (arXiv 2505.03318) gives GRPO the comparisons that its model judges wrongly, and SFT those that it judges
rightly. "Not yet solved by the student", the filter of many SFT sets, is `max_correct: null`: wrong once is enough.

A gold that is wrong looks like a row that is hard. Where a teacher has tried the rows, take `hard_only`.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from schemas.section import Section


class BaseFailsConfig(Section):
    """The upper end."""

    type: Literal["base_fails"] = "base_fails"
    max_correct: int | None = Field(
        default=0, ge=0, description="greatest number of right rollouts; null: any, as long as one is wrong"
    )


COLUMNS = ("k", "n")


def window(config: BaseFailsConfig, n: int) -> tuple[int, int]:
    """Least and greatest number of right rollouts out of n that pass."""
    return 0, n - 1 if config.max_correct is None else min(config.max_correct, n - 1)


def judge(rows: pl.DataFrame, config: BaseFailsConfig, seed: int) -> pl.DataFrame:
    """`value` = 1 - p, so a budget takes the hardest first. Cause: `too_easy`.

    What was never seen to fail is not hard, however few of its rollouts count: 3 of 3 is too easy also where 3 are allowed.
    """
    k, n = pl.col("k"), pl.col("n")
    most = n - 1 if config.max_correct is None else pl.min_horizontal(pl.lit(config.max_correct), n - 1)
    cause = pl.when(k > most).then(pl.lit("too_easy"))
    return rows.select("id", "k", "n", value=1 - k / n, cause=cause)

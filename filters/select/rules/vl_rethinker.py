"""VL-Rethinker: for each starting model, the rows that it gets right at least once in eight tries.

arXiv 2504.08837; the `PassRate_*` columns of TIGER-Lab/ViRL39K. Rows that are always right stay. Which model measured is
`select.model`. The source orders nothing: all that pass are equal, and a budget is filled by chance.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from schemas.section import Section


class VLRethinkerConfig(Section):
    """The lower end."""

    type: Literal["vl_rethinker"] = "vl_rethinker"
    min_correct: int = Field(default=1, ge=1, description="least number of right rollouts")


COLUMNS = ("k", "n")


def window(config: VLRethinkerConfig, n: int) -> tuple[int, int]:
    """Least and greatest number of right rollouts out of n that pass."""
    return config.min_correct, n


def judge(rows: pl.DataFrame, config: VLRethinkerConfig, seed: int) -> pl.DataFrame:
    """`value` = 1. Cause: `too_hard`."""
    cause = pl.when(pl.col("k") < config.min_correct).then(pl.lit("too_hard"))
    return rows.select("id", "k", "n", value=pl.lit(1.0), cause=cause)

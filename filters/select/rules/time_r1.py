"""Time-R1 (temporal grounding): rows drawn by how near their starting IoU is to 0.3.

arXiv 2503.13377; `src/utils/process_data.py` of xiaomi-research/time-r1: weight exp(-(IoU - 0.3)^2 / (2 sigma^2)), sigma
= 0.2, 2,500 rows without replacement. IoU is the mean score of the starting model. The paper drops rows above 0.7 (each
epoch anew, here once); the code's Gaussian draw drops only rows of IoU 0, and its other draw, `0070_all`, both.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from schemas.section import Section


class TimeR1Config(Section):
    """The Gaussian and the ends."""

    type: Literal["time_r1"] = "time_r1"
    variant: Literal["paper", "code"] = Field(
        default="paper", description="paper: rows above `high` go; code: rows of score 0 go"
    )
    centre: float = Field(default=0.3, ge=0, le=1, description="mean score of the most wanted rows")
    sigma: float = Field(default=0.2, gt=0, description="width of the Gaussian")
    high: float = Field(default=0.7, ge=0, le=1, description="paper: highest mean score")


COLUMNS = ("mean_score",)


def judge(rows: pl.DataFrame, config: TimeR1Config, seed: int) -> pl.DataFrame:
    """`value` = the Gaussian of the mean score, by which the budget is drawn. Causes: `too_easy` or `too_hard`."""
    score = pl.col("mean_score")
    if config.variant == "paper":
        cause = pl.when(score > config.high).then(pl.lit("too_easy"))
    else:
        cause = pl.when(score <= 0).then(pl.lit("too_hard"))
    value = (-((score - config.centre) ** 2) / (2 * config.sigma**2)).exp()
    return rows.select("id", "mean_score", value=value, cause=cause)

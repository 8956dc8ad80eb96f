"""MM-EUREKA: a window on the pass rate.

arXiv 2503.07365. Online (`openrlhf/trainer/ppo_utils/experience_maker.py` of ModalMinds/MM-EUREKA): keep a group whose mean
accuracy lies in [0.1, 0.9], n = 8. Offline, for version 1 of the data: drop 0 and 1. With other ends it is the window of
any recipe: PAPO's (0.01, 0.99), say. The source orders nothing, so a budget is filled by chance.
"""

import math
from typing import Literal

import polars as pl
from pydantic import Field

from filters.select.rules.share import Share, above, at_least
from schemas.section import Section


class MMEurekaConfig(Section):
    """The window's ends, both inside."""

    type: Literal["mm_eureka"] = "mm_eureka"
    variant: Literal["online", "offline"] = Field(
        default="online", description="online: low <= p <= high; offline: 0 < p < 1"
    )
    low: Share = Field(default="1/10", validate_default=True, description="lowest pass rate, compared as counts")
    high: Share = Field(default="9/10", validate_default=True, description="highest pass rate, compared as counts")


COLUMNS = ("k", "n")


def window(config: MMEurekaConfig, n: int) -> tuple[int, int]:
    """Least and greatest number of right rollouts out of n that pass."""
    if config.variant == "offline":
        return 1, n - 1
    return math.ceil(config.low * n), math.floor(config.high * n)


def judge(rows: pl.DataFrame, config: MMEurekaConfig, seed: int) -> pl.DataFrame:
    """`value` = 1. Causes: `too_hard`, `too_easy`."""
    k, n = pl.col("k"), pl.col("n")
    hard, easy = ~at_least(k, n, config.low), above(k, n, config.high)
    if config.variant == "offline":
        hard, easy = k <= 0, k >= n
    cause = pl.when(hard).then(pl.lit("too_hard")).when(easy).then(pl.lit("too_easy"))
    return rows.select("id", "k", "n", value=pl.lit(1.0), cause=cause)

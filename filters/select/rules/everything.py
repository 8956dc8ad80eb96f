"""All: every candidate is worth the same, and nothing has to be measured.

A budget is filled by chance, in the cells of `quotas` if there are any, or by `coverage`: selection without a rollout.
MMR1 draws its maths for RL uniformly over 13 types (arXiv 2509.21268), GThinker from clusters (2506.01078).
"""

from typing import Literal

import polars as pl

from schemas.section import Section


class AllConfig(Section):
    """It has no parameters."""

    type: Literal["all"] = "all"


COLUMNS = ()


def judge(rows: pl.DataFrame, config: AllConfig, seed: int) -> pl.DataFrame:
    """`value` = 1 for all."""
    return rows.select("id", value=pl.lit(1.0), cause=pl.lit(None, pl.String))

"""Bands: rows of the named difficulty bands, as one trains on easy, on medium or on hard ones.

Tricks or Traps (arXiv 2508.08221) compares RL techniques on easy, medium and hard data. The ends of the bands are those of
`select.bands`, and ours. All three files from one build are three configs of the release, each with a condition (`where`).
"""

from typing import Literal

import polars as pl
from pydantic import Field

from schemas.section import Section


class BandsConfig(Section):
    """Which bands."""

    type: Literal["bands"] = "bands"
    keep: tuple[str, ...] = Field(min_length=1, description="bands: never, always, or those of `bands.ends`")


COLUMNS = ("k", "n", "band")


def window(config: BandsConfig, n: int) -> None:
    """None: the bands that are kept need not lie side by side."""


def judge(rows: pl.DataFrame, config: BandsConfig, seed: int) -> pl.DataFrame:
    """`value` = 1. Cause: `other_band`."""
    cause = pl.when(~pl.col("band").is_in(list(config.keep))).then(pl.lit("other_band"))
    return rows.select("id", *COLUMNS, value=pl.lit(1.0), cause=cause)

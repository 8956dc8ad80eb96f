"""Difficulty bands by counts of right rollouts: a column to set quotas by.

A band is a window on counts out of N, never on a float, so that 2 of 16 and 1 of 8 fall into the same one.
"""

import polars as pl
from pydantic import Field, model_validator

from schemas.section import Section


class BandConfig(Section):
    """The upper ends of the bands between never and always right, as counts of right rollouts out of `out_of`."""

    out_of: int = Field(default=8, ge=1, description="the number of rollouts that the ends are counts of")
    ends: dict[str, int] = Field(
        default={"hard": 2, "medium": 5, "easy": 8}, description="the largest count of each band, hardest first"
    )

    @model_validator(mode="after")
    def _rising(self) -> "BandConfig":
        ends = list(self.ends.values())
        if not ends or any(a >= b for a, b in zip([0, *ends], ends, strict=False)) or ends[-1] != self.out_of:
            raise ValueError(f"the ends of bands must rise from above 0 to out_of = {self.out_of}")
        return self


def difficulty_band(k: pl.Expr, n: pl.Expr, config: BandConfig) -> pl.Expr:
    """The band of `k` right of `n` rollouts: `never` (k = 0), `always` (k = n), a name of `config.ends`, or null (n = 0).

    The comparison is `k * out_of <= end * n`, in whole numbers. The default ends are ours: no published recipe agrees with
    another (RITA and Temporal-R1 leave theirs open).
    """
    k, n = k.cast(pl.Int64), n.cast(pl.Int64)
    ends = [pl.when(k * config.out_of <= end * n).then(pl.lit(name)) for name, end in config.ends.items()]
    outer = [pl.when(k == 0).then(pl.lit("never")), pl.when(k == n).then(pl.lit("always"))]
    return pl.when(n > 0).then(pl.coalesce(*outer, *ends)).alias("band")

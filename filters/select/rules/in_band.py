"""In band: the decision of adaptive rollouts, taken as it is.

Adaptive rollouts (`filters.stopping`) stop once a sample's answers decide whether it is in the wanted band, so their
counts are of different sizes, and k/n is biased by the stopping. This rule reads the decision itself, and values a
sample by the posterior mean of p(1-p), which the stopping does not bias.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from schemas.adaptive import BetaPrior
from schemas.section import Section


class InBandConfig(Section):
    """The prior of the value; the band is that of the step that asked adaptively."""

    type: Literal["in_band"] = "in_band"
    prior: BetaPrior = Field(default=BetaPrior(), description="of a pass rate; Jeffreys' by default")


COLUMNS = ("k", "n", "in_band")


def judge(rows: pl.DataFrame, config: InBandConfig, seed: int) -> pl.DataFrame:
    """`value` is the mean of p(1-p) under the posterior Beta(a, b), ab / ((a+b)(a+b+1)). Cause: `out_of_band`."""
    a, b = config.prior.right + pl.col("k"), config.prior.wrong + pl.col("n") - pl.col("k")
    value = a * b / ((a + b) * (a + b + 1))
    cause = pl.when(~pl.col("in_band")).then(pl.lit("out_of_band"))
    return rows.select("id", "k", "n", value=value, cause=cause)

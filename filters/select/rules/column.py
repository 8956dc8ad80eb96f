"""By a column: rows are worth what a number says that some step gave them, the most first or the least.

What ranks by one forward pass or by one grade needs no rule of its own: VisNec (arXiv 2603.01195) takes the most of
`loss without the image - loss with it` and drops what is below 0 (`low: 0`), in each cluster (`quotas.by: [cluster]`); CVS
(2603.09715) drops what the question makes less valid; Curr-ReFT (2503.07065) keeps grades above 85 (`low: 86`). Of
FineVision's ratings (2510.17269) any cut made results worse, which is what the random control is for.
"""

from typing import Literal, Self

import polars as pl
from pydantic import Field, model_validator

from schemas.section import Section


class ColumnConfig(Section):
    """Which number, which end of it, and what is out."""

    type: Literal["column"] = "column"
    by: str = Field(min_length=1, description="the column: its name or address")
    take: Literal["most", "least"] = Field(default="most", description="which end a budget goes to first")
    low: float | None = Field(default=None, allow_inf_nan=False, description="least number that passes")
    high: float | None = Field(default=None, allow_inf_nan=False, description="greatest number that passes")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"no number is at least {self.low:g} and at most {self.high:g}")
        return self


def columns(config: ColumnConfig) -> tuple[str, ...]:
    """The one that it goes by."""
    return (config.by,)


def judge(rows: pl.DataFrame, config: ColumnConfig, seed: int) -> pl.DataFrame:
    """`value` = the number, or its negative for `take: least`. Causes: `unmeasured` (none: NaN), `too_low`, `too_high`."""
    number = pl.col(config.by).cast(pl.Float64)
    low, high = (pl.lit(end, pl.Float64) for end in (config.low, config.high))
    cause = (
        pl.when(~number.is_finite())
        .then(pl.lit("unmeasured"))
        .when(number < low)  # null, and so never true, where there is no such end
        .then(pl.lit("too_low"))
        .when(number > high)
        .then(pl.lit("too_high"))
    )
    return rows.select("id", config.by, value=number if config.take == "most" else -number, cause=cause)

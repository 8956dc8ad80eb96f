"""How a budget is spent on rows of known value: the best, a draw by value, or MMR1's mixture.

Every draw is a race: a row's times come from its own id, so rows added or taken away leave the others in their order.
"""

from fractions import Fraction
from math import floor

import numpy as np
import polars as pl
from pydantic import Field

from filters.select.rules.rule import How
from filters.select.rules.share import Share
from schemas.errors import ConfigError
from schemas.ids import chance
from schemas.section import Section


class DrawConfig(Section):
    """How a budget is spent."""

    how: How | None = Field(
        default=None,
        description="top: highest value; weighted: drawn by value; mixture; null: as the rule's source does",
    )
    by_value: Share = Field(
        default="1/2", validate_default=True, description="mixture: share of the budget drawn by value (lambda of MMR1)"
    )


def size(budget: int | float | None, candidates: int, passing: int) -> int:
    """Rows to take: a count, a share of the candidates (0.5 of 5 is 3), or all that pass. Never more than pass."""
    if budget is None:
        return passing
    if isinstance(budget, float) and budget > 1:
        raise ConfigError(f"select.budget: {budget} is neither a count nor a share up to 1.0")
    count = floor(Fraction(str(budget)) * candidates + Fraction(1, 2)) if isinstance(budget, float) else budget
    return min(passing, count)


def place(rows: pl.DataFrame, how: How, config: DrawConfig, budget: int, seed: int) -> pl.DataFrame:
    """`id, rank` (Int32, 0 is taken first), sorted by rank, from `id, value`; for a mixture also `draws` (Float64).

    A mixture names only the rows that it drew: a row may be drawn more than once, and `draws` sums to `budget`.
    """
    if how == "top":
        tie = chance(f"select:{seed}", rows["id"]).alias("__tie")
        placed = rows.with_columns(tie).sort("value", "__tie", "id", descending=[True, False, False])
    elif how == "weighted":
        placed = rows.with_columns(_times(rows, seed, 0).alias("__time")).sort("__time", "id")
    else:
        placed = _mixture(rows, budget, floor(config.by_value * budget), seed)
    columns = ["id", *(c for c in ("draws",) if c in placed.columns)]
    return placed.select(columns).with_row_index("rank").select("id", pl.col("rank").cast(pl.Int32), *columns[1:])


def _times(rows: pl.DataFrame, seed: int, lap: int) -> pl.Series:
    """How long each row takes for a lap: exponential, of rate `value`; infinite where the value is 0.

    The first to arrive is row i with probability value_i / sum, and so on among the rest: a weighted draw without
    replacement (Efraimidis and Spirakis 2006, Information Processing Letters 97: keys u^(1/w), here -ln(u)/w).
    """
    uniform = chance(f"draw:{seed}:{lap}", rows["id"]).to_numpy()
    with np.errstate(divide="ignore"):
        return pl.Series(np.where(rows["value"].to_numpy() > 0, -np.log1p(-uniform) / rows["value"].to_numpy(), np.inf))


def _mixture(rows: pl.DataFrame, budget: int, weighted: int, seed: int) -> pl.DataFrame:
    """MMR1: floor(lambda B) draws by value with replacement, the others uniform (arXiv 2509.21268, section 3).

    The uniform part walks a fixed permutation, as the code does (`verl/curriculum/samplers.py` of LengSicong/MMR1). Rows
    come in the order of their first draw, the two parts interleaved.
    """
    drawn = _with_replacement(rows, weighted, seed)
    walk = rows.select("id", chance(f"uniform:{seed}", rows["id"]).alias("__time")).sort("__time", "id").select("id")
    walk = walk.head(budget - drawn.height)
    parts = [
        part.select("id", __at=(pl.int_range(pl.len()) + 0.5) / pl.len(), __part=pl.lit(number))
        for number, part in enumerate((drawn, walk))
    ]
    both = (
        pl.concat(parts).group_by("id").agg(pl.min("__at"), pl.min("__part"), pl.len().cast(pl.Float64).alias("draws"))
    )
    return both.sort("__at", "__part", "id")


def _with_replacement(rows: pl.DataFrame, draws: int, seed: int) -> pl.DataFrame:
    """`id` of each of `draws` draws, in order.

    Each row runs laps, and every arrival is a draw: the arrivals of competing Poisson processes are independent draws with
    probability value_i / sum.
    """
    running = rows.filter(pl.col("value") > 0).select("id", "value", __time=pl.lit(0.0))
    if draws == 0 or running.is_empty():
        return running.head(0).select("id")
    arrivals = running.head(0).select("id", "__time")
    lap = 0
    while running.height:
        running = running.with_columns(pl.col("__time") + _times(running, seed, lap))
        arrivals = pl.concat([arrivals, running.select("id", "__time")]).sort("__time", "id").head(draws)
        if arrivals.height == draws:
            running = running.filter(pl.col("__time") < arrivals["__time"][-1])
        lap += 1
    return arrivals.select("id")

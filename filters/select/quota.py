"""How many rows of each cell (source, answer kind, difficulty band, cluster, …) a selection takes, and which ones.

Seats are dealt by the method of largest remainders (Hamilton): each cell gets the whole part of its share, and the seats
left go to the largest fractions. A cell that cannot fill its share is short, and the config says who gets the rest.
All arithmetic is on fractions, so that a share of 0.1 of 30 seats is 3 seats and not 2.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from filters.select.greedy import Limits
from schemas.errors import ConfigError
from schemas.section import Section

OTHERS = "*"
"""The key of all cells that are not named."""

NONE = "none"
"""What a missing value is called in a label."""

_LABEL = "__cell"


class QuotaConfig(Section):
    """Quotas by cell. A cell is a combination of values of the columns in `by`; its label joins them with `/`."""

    by: tuple[str, ...] = Field(default=("source",), min_length=1, description="columns that make up a cell")
    shares: dict[str, float] | Literal["equal"] | None = Field(
        default=None,
        description="weight of each cell by label, `*` for all others together; equal; or as the candidates are (null)",
    )
    caps: dict[str, int] = Field(default_factory=dict, description="most rows of a cell by label, `*` for each other")
    short: Literal["spread", "leave", "stop"] = Field(
        default="spread",
        description="where a cell is short: spread its seats over the others, leave them empty, or "
        "stop when the first cell is exhausted, so that the shares hold (MoDoMoDo)",
    )

    @model_validator(mode="after")
    def _sensible(self) -> "QuotaConfig":
        if isinstance(self.shares, dict):
            if min(self.shares.values(), default=0) < 0 or not sum(self.shares.values()) > 0:
                raise ValueError("shares must not be negative, and not all zero")
            if sum(self.shares.values()) == float("inf"):
                raise ValueError("shares must be finite")
        if min(self.caps.values(), default=0) < 0:
            raise ValueError("caps must not be negative")
        return self


def cells(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """The cells of a table: the columns `by` and `available` (rows in the cell), sorted by label."""
    counted = rows.group_by(*by).agg(pl.len().cast(pl.Int64).alias("available"))
    return counted.sort(_label(by), maintain_order=True)


def allot(cells: pl.DataFrame, budget: int, config: QuotaConfig) -> pl.DataFrame:
    """`cells` (the columns `config.by`, and `available`) with a column `quota` (Int64), in the order of `cells`.

    No quota exceeds what its cell has or its cap. With `short: spread` the quotas sum to the budget, or to all that
    cells with a share above 0 can give. Ties between equal fractions go to the label that sorts first, so the order
    of cells does not matter. With shares by name or equal, rows added to one cell leave all other quotas as they were
    unless that cell was short; proportional quotas move with the candidates by definition. As in any method of
    largest remainders, a larger budget can cost a cell one seat. Raises ConfigError where a label does not tell cells
    apart, or where `shares` names none of the cells.
    """
    if budget < 0:
        raise ConfigError(f"a budget of {budget} rows is negative")
    labels = cells.select(_label(config.by)).to_series().to_list()
    if len(set(labels)) < len(labels):
        raise ConfigError(f"two cells of {'/'.join(config.by)} have the same label; rename values that hold a '/'")
    available = dict(zip(labels, cells["available"].to_list(), strict=True))
    room = {
        label: min(here, config.caps.get(label, config.caps.get(OTHERS, here))) for label, here in available.items()
    }
    quotas = _seats(_shares(available, config), room, budget, config.short)
    return cells.with_columns(pl.Series("quota", [quotas[label] for label in labels], dtype=pl.Int64))


def draw(rows: pl.DataFrame, quotas: pl.DataFrame, by: Sequence[str]) -> pl.Series:
    """The ids of the rows that fill `quotas` (from `allot`): in each cell the best by `rank`, ties by id.

    `rows` has `id`, `rank` (smaller is better) and the columns `by`. Ids come best first.
    """
    wanted = quotas.select(_label(by), "quota")
    ranked = rows.select("id", "rank", _label(by)).sort("rank", "id")
    place = pl.int_range(pl.len(), dtype=pl.Int64).over(_LABEL)
    seated = ranked.join(wanted, on=_LABEL, how="left", maintain_order="left", validate="m:1")
    return seated.filter(place < pl.col("quota"))["id"]


def seats(rows: pl.DataFrame, quotas: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """`rows` with `cell`, the label, and `seats`, its quota in `quotas` (from `allot`); null where it has none."""
    wanted = quotas.select(_label(by), seats="quota").rename({_LABEL: "cell"})
    return rows.with_columns(_label(by).alias("cell")).join(wanted, on="cell", how="left", maintain_order="left")


def limits(rows: pl.DataFrame, quotas: pl.DataFrame, by: Sequence[str]) -> Limits:
    """`quotas` (from `allot`) in the shape in which a greedy choice over `rows` keeps them."""
    wanted = quotas.select(_label(by), "quota").with_row_index("__number")
    joined = rows.select(_label(by)).join(wanted, on=_LABEL, how="left", maintain_order="left", validate="m:1")
    numbers = joined["__number"].cast(pl.Int64).fill_null(-1).to_numpy()
    return Limits(numbers, wanted["quota"].to_numpy())


def _label(by: Sequence[str]) -> pl.Expr:
    return pl.concat_str([pl.col(name).cast(pl.String).fill_null(NONE) for name in by], separator="/").alias(_LABEL)


def _shares(available: dict[str, int], config: QuotaConfig) -> dict[str, Fraction]:
    if config.shares is None:
        return {label: Fraction(here) for label, here in available.items()}
    if config.shares == "equal":
        return {label: Fraction(1) for label in available}
    named = {label: Fraction(str(share)) for label, share in config.shares.items()}
    others = {label: here for label, here in available.items() if label not in named}
    rest, crowd = named.pop(OTHERS, Fraction(0)), sum(others.values())
    shares = {label: named.get(label, Fraction(0)) for label in available}
    shares |= {label: rest * here / crowd for label, here in others.items() if crowd}
    if available and not any(shares.values()):
        raise ConfigError(f"quotas.shares names none of the cells; they are {', '.join(sorted(available)[:8])}")
    return shares


def _seats(shares: dict[str, Fraction], room: dict[str, int], budget: int, short: str) -> dict[str, int]:
    seats = dict.fromkeys(shares, 0)
    open_ = {label for label, share in shares.items() if share > 0}
    whole = sum((shares[label] for label in open_), Fraction(0))
    if short == "stop":
        budget = min([budget, *(int(room[label] * whole / shares[label]) for label in open_)])
    if short == "leave":
        dealt = _largest_remainder({label: budget * shares[label] / whole for label in open_})
        return seats | {label: min(count, room[label]) for label, count in dealt.items()}
    left = budget
    while open_:
        whole = sum((shares[label] for label in open_), Fraction(0))
        target = {label: left * shares[label] / whole for label in open_}
        full = {label for label in open_ if target[label] >= room[label]}
        if not full:
            return seats | _largest_remainder(target)
        for label in full:
            seats[label] = room[label]
            left -= room[label]
        open_ -= full
    return seats


def _largest_remainder(target: dict[str, Fraction]) -> dict[str, int]:
    seats = {label: int(exact) for label, exact in target.items()}
    left = int(sum(target.values(), Fraction(0))) - sum(seats.values())
    first = sorted(target, key=lambda label: (seats[label] - target[label], label))
    return seats | {label: seats[label] + 1 for label in first[:left]}

"""Which split a group belongs to: by its name and a salt, so that growing data moves no old row, or by what its rows are."""

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

import polars as pl
from pydantic import Field, model_validator

from filters.groups import NearPairs, group_ids, links
from schemas.section import Section
from schemas.split import Split, split

REASON = "split:bridges_groups"


class AssignConfig(Section):
    """The shares of the three sides. Shares are of groups, so those of rows come close where groups are small."""

    salt: str = Field(
        default="curate", description="another salt deals the groups anew; never change it between releases"
    )
    sft: float = Field(default=0.6, ge=0, le=1)
    rl: float = Field(default=0.35, ge=0, le=1)
    holdout: float = Field(default=0.05, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.sft + self.rl + self.holdout - 1) > 1e-9:
            raise ValueError(f"sft + rl + holdout must be 1, not {self.sft + self.rl + self.holdout:g}")
        return self


class Ties(NamedTuple):
    """What ties rows together beside what they show and descend from: see `filters.groups.group_ids`."""

    near_pairs: NearPairs = ()
    near_media: pl.DataFrame | None = None


Deal = Callable[[pl.DataFrame], pl.DataFrame]
"""Takes `id, group` and gives `group, dealt`: the side of each group, or null where it has none."""


def split_by_group(
    rows: pl.DataFrame,
    ties: Callable[[pl.DataFrame], Ties],
    config: AssignConfig | Deal,
    released: pl.DataFrame | None = None,
) -> Split:
    """Give each row the side of its group; kept is `id, group, split`.

    `ties` finds the near pairs among the rows it is given. Released rows (`released`: `id, split`) keep their side; a new
    row that would join two sides is dropped as `split:bridges_groups`, and the ties of the others are looked for again,
    because the row may have been all that tied them, or hidden behind it that they are near each other themselves.
    """
    dropped = []
    found = ties(rows)
    while released is not None:
        bridged = drop_bridges(rows, released, *found)
        if bridged.dropped.is_empty():
            break
        rows = bridged.kept
        dropped.append(bridged.dropped)
        found = ties(rows)
    sides = assign_splits(group_ids(rows, *found), config, released)
    return Split(sides.kept, pl.concat([*dropped, sides.dropped]))


def side(group: str, config: AssignConfig) -> str:
    """`sft`, `rl` or `holdout`, from 64 bits of the hash of salt and group."""
    digest = hashlib.blake2b(f"{config.salt}:{group}".encode(), digest_size=8).digest()
    draw = int.from_bytes(digest, "big") / 2**64
    if draw < config.holdout:
        return "holdout"
    return "rl" if draw < config.holdout + config.rl else "sft"


def by_shares(config: AssignConfig) -> Deal:
    """Groups are dealt by their names, in the shares of `config`."""

    def deal(groups: pl.DataFrame) -> pl.DataFrame:
        names = groups.select(pl.col("group").unique())
        return names.with_columns(dealt=pl.col("group").map_elements(lambda g: side(g, config), return_dtype=pl.String))

    return deal


def by_conditions(sides: Mapping[str, pl.Series | None], ids: pl.Series) -> Deal:
    """A group gets the first of `sides` whose condition one of its rows meets; the side without a condition gets the others.

    `sides` names a side's condition as true, false or null for each of `ids`; null meets nothing.
    """

    def deal(groups: pl.DataFrame) -> pl.DataFrame:
        met = pl.DataFrame({"id": ids, **{name: column for name, column in sides.items() if column is not None}})
        rows = groups.select("id", "group").join(met, on="id", how="left")
        any_of = rows.group_by("group").agg(pl.col(name).fill_null(False).any() for name in met.columns[1:])
        first = [pl.when(pl.col(name)).then(pl.lit(name)) for name in met.columns[1:]]
        others = [pl.lit(name) for name, column in sides.items() if column is None]
        return any_of.select("group", dealt=pl.coalesce(*first, *others, pl.lit(None, pl.String)))

    return deal


def assign_splits(groups: pl.DataFrame, config: AssignConfig | Deal, released: pl.DataFrame | None = None) -> Split:
    """Give each row of `groups` (`id, group`) its `split`; kept is `id, group, split`.

    `released` (`id, split`) holds the sides of earlier releases: those rows keep theirs, and so does the rest of their
    group. Where one group holds released rows of two sides, its new rows belong to both and are dropped as
    `split:bridges_groups` (evidence: the sides); `drop_bridges` first takes out just the rows that join them.
    """
    deal = by_shares(config) if isinstance(config, AssignConfig) else config
    dealt = deal(groups)
    rows = groups.select("id", "group").join(dealt, on="group", how="left", maintain_order="left")
    known = _released(released)
    rows = rows.join(known.rename({"split": "old"}), on="id", how="left", maintain_order="left")
    old = rows.group_by("group").agg(sides=pl.col("old").drop_nulls().unique().sort())
    rows = rows.join(old, on="group", how="left", maintain_order="left")
    rows = rows.with_columns(split=pl.coalesce("old", pl.col("sides").list.first(), "dealt"))
    torn = pl.col("old").is_null() & (pl.col("sides").list.len() > 1)
    result = split(rows, pl.when(torn).then(pl.lit(REASON)), {"group": pl.col("group"), "sides": pl.col("sides")})
    return Split(result.kept.select("id", "group", "split"), result.dropped)


def drop_bridges(
    rows: pl.DataFrame, released: pl.DataFrame, near_pairs: NearPairs = (), near_media: pl.DataFrame | None = None
) -> Split:
    """Drop the new rows that would join released rows of different sides, as `split:bridges_groups`, and no others.

    `rows` holds the released rows as well (those that are missing tie nothing). New rows are taken in the order of
    their ids; each joins what it is tied to, unless that has two sides already. Evidence: the two sides. Near pairs
    may leave out some links of a cluster, so ask for those of the kept rows again; `split_by_group` does.
    """
    known = rows.select("id").join(_released(released), on="id", how="left", maintain_order="left")
    known = known.with_columns(group_ids(rows, near_pairs, near_media)["group"])
    is_torn = pl.col("split").drop_nulls().n_unique().over("group") > 1
    places = known.with_row_index("row").filter(is_torn)
    sides, ids = places["split"].to_list(), places["id"].to_list()
    table = links(rows[places["row"]], near_pairs, near_media)
    tied: list[list[str]] = [[] for _ in ids]
    for row, link in table.iter_rows():
        tied[row].append(link)
    order = sorted(range(len(ids)), key=lambda i: (sides[i] is None, ids[i]))
    joined = _Sides()
    gone = {ids[i]: torn for i in order if (torn := joined.join(tied[i], sides[i])) is not None}
    table = pl.DataFrame(
        {"id": list(gone), "sides": list(gone.values())}, schema={"id": pl.String, "sides": pl.List(pl.String)}
    )
    marked = rows.join(table.rename({"sides": "__sides"}), on="id", how="left", maintain_order="left")
    reason = pl.when(pl.col("__sides").is_not_null()).then(pl.lit(REASON))
    result = split(marked, reason, {"sides": pl.col("__sides")})
    return Split(result.kept.select(rows.columns), result.dropped)


class _Sides:
    """Union-find over links, in which every set knows the side it is bound to, if any."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._side: dict[str, str] = {}

    def _root(self, link: str) -> str:
        while (up := self._parent.setdefault(link, link)) != link:
            self._parent[link] = self._parent[up]
            link = up
        return link

    def join(self, links: list[str], side: str | None) -> list[str] | None:
        """Unite the links, or return the sides that forbid it. A row with a side joins what has no other."""
        roots = list(dict.fromkeys(self._root(link) for link in links))
        bound = sorted({self._side[root] for root in roots if root in self._side})
        if side is None and len(bound) > 1:
            return bound
        own = side or (bound[0] if bound else None)
        free = [root for root in roots if self._side.get(root, own) == own]
        for root in free:
            self._parent[root] = free[0]
            if own is not None:
                self._side[root] = own
        return None


def _released(released: pl.DataFrame | None) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"id": pl.String, "split": pl.String})
    return empty if released is None else released.select("id", "split").unique("id", keep="first", maintain_order=True)

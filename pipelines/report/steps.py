"""The tables of a build of steps, as the report reads them: the rows of a unit, dropped or not, with current values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.store.build_record import read_record
from pipelines.store.table_files import scan_table
from pipelines.store.witness import Witness

_FACTS = ("unit", "in", "kept", "dropped")


def rows_of(
    manifest: Mapping[str, Any],
    build: Path,
    unit: str,
    columns: Sequence[str],
    of: pl.Series | None = None,
    made: str | None = None,
) -> pl.LazyFrame | None:
    """`id, sample_id` and those of the columns that there are of every row of a unit, or of the samples `of`.

    A row has the value that the last step wrote for it; of the column `made` also, as `made`, the one that it was made
    with. None where no step made such rows.
    """
    tables = _tables(manifest, build, unit)
    makers = {name: table for name, table in tables.items() if "parent_id" in table.collect_schema()}
    if not makers:
        return None
    groups: dict[tuple[str, ...], list[str]] = {}
    for column in columns:
        if givers := tuple(name for name, table in tables.items() if column in table.collect_schema()):
            groups.setdefault(givers, []).append(column)
    born = groups.pop(tuple(makers), [])  # a join may hold its right side, so these come with the rows
    first = [pl.col(made).alias("made")] if made and all(made in t.collect_schema() for t in makers.values()) else []
    rows = pl.concat([table.select("id", "sample_id", *born, *first) for table in makers.values()])
    if of is not None:
        rows = rows.filter(pl.col("sample_id").is_in(of.implode()))
        if groups:
            rows = rows.collect(engine="streaming").lazy()
    for givers, named in groups.items():
        values = pl.concat([tables[giver].select("id", *named) for giver in givers], how="vertical_relaxed")
        if of is not None:
            ids = rows.select("id").collect()["id"]
            values = values.filter(pl.col("id").is_in(ids.implode()))
        last = values if len(givers) == 1 else values.unique("id", keep="last", maintain_order=True)
        rows = rows.join(last, on="id", how="left", maintain_order="left")
    return rows


def tables_of(manifest: Mapping[str, Any], build: Path, type_: str, table: str | None = None) -> list[pl.LazyFrame]:
    """The rows that each step of a type wrote, or a table that each of them keeps beside its rows."""
    steps = [step for step in manifest["steps"] if step["type"] == type_]
    if table is not None:
        paths = [build / step["step"] / f"{table}.parquet" for step in steps]
        return [scan_table(path) for path in paths if path.is_file()]
    return [found for step in steps if (found := _scan(build, step["step"])) is not None]


def _tables(manifest: Mapping[str, Any], build: Path, unit: str) -> dict[str, pl.LazyFrame]:
    """The rows of each step that made or gave columns to a unit, in their order."""
    names = [step["step"] for step in manifest["steps"] if step["unit"] == unit]
    return {name: table for name in names if (table := _scan(build, name)) is not None}


def _scan(build: Path, step: str) -> pl.LazyFrame | None:
    found = sorted((build / step).glob("rows-*.parquet"))
    return pl.concat([scan_table(path) for path in found]) if found else None


def same_build(manifest: Mapping[str, Any], folder: Path) -> bool:
    """Whether the build in a folder has the steps of the manifest, with the same counts, and all tables as written."""
    steps = (read_record(folder) or {}).get("steps", {})
    others = [step for step in manifest["steps"] if step["type"] != "release"]  # whose record is of a later moment
    same = all(
        step["step"] in steps and all(steps[step["step"]].get(fact) == step.get(fact) for fact in _FACTS)
        for step in others
    )
    return same and not any(Witness(folder).suspects({step["step"]: steps[step["step"]] for step in others}))

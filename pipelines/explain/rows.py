"""Finding rows of a build by their ids, and what was made from what."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl

from pipelines.explain.recorded import RecordedBuild, StepFacts
from pipelines.store.step_tables import DROPS, ROWS
from pipelines.store.table_files import scan_table


class Found(NamedTuple):
    """A row: of which unit, which step made it, and in which bucket of the build it lies. `made` is False for a row that
    its step could not make."""

    id: str
    unit: str
    step: StepFacts
    bucket: int
    made: bool = True


def find(build: RecordedBuild, prefix: str) -> list[Found]:
    """All rows whose ids start with `prefix`, in the order of the steps that made them, each once."""
    found: dict[str, Found] = {}
    for step in build.steps:
        for table, made in ((ROWS, True), (DROPS, False)) if step.makes else ():
            for bucket in build.buckets(step.name):
                path = build.path(step.name, table, bucket)
                if path is not None:
                    ids = scan_table(path).select("id").filter(pl.col("id").str.starts_with(prefix))
                    for id_ in ids.collect()["id"]:
                        found.setdefault(id_, Found(id_, step.unit, step, bucket, made))
    return list(found.values())


def by_id(build: RecordedBuild, id_: str, bucket: int) -> Found | None:
    """A row that some step made, in a bucket."""
    for step in build.steps:
        table = build.table(step.name, ROWS, bucket) if step.makes else None
        if table is not None and id_ in table["id"]:
            return Found(id_, step.unit, step, bucket)
    return None


def row_of(build: RecordedBuild, step: str, table: str, bucket: int, id_: str) -> dict[str, Any] | None:
    """The row of that id in a table of a step."""
    rows = build.table(step, table, bucket)
    found = None if rows is None else rows.filter(pl.col("id") == id_)
    return found.row(0, named=True) if found is not None and found.height else None


def parent_of(build: RecordedBuild, row: Found) -> str | None:
    found = row_of(build, row.step.name, ROWS if row.made else DROPS, row.bucket, row.id)
    return None if found is None else found["parent_id"]


def parents(build: RecordedBuild, row: Found) -> list[Found]:
    """What a row was made from, the nearest first, up to a sample of the sources."""
    found: list[Found] = []
    while (id_ := parent_of(build, found[-1] if found else row)) is not None:
        above = by_id(build, id_, row.bucket)
        if above is None:
            break
        found.append(above)
    return found


class Brood(NamedTuple):
    """What a step made of rows: the ids of the made ones, and of those that it could not make with the reasons."""

    step: StepFacts
    ids: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]


def made_from(build: RecordedBuild, step: StepFacts, bucket: int, ids: set[str]) -> Brood:
    """What a step made of the rows `ids`."""
    rows, drops = build.table(step.name, ROWS, bucket), build.table(step.name, DROPS, bucket)
    wanted = pl.col("parent_id").is_in(list(ids))
    made = () if rows is None else tuple(rows.filter(wanted)["id"])
    lost = () if drops is None else tuple(drops.filter(wanted).select("id", "reason").iter_rows())
    return Brood(step, made, lost)


def descendants(build: RecordedBuild, row: Found) -> Iterator[Brood]:
    """All that was made from a row, directly or not, by the steps that made it, in their order."""
    known = {row.id}
    for step in build.steps:
        if step.makes and step.number:
            brood = made_from(build, step, row.bucket, known)
            if brood.ids or brood.lost:
                yield brood
                known |= set(brood.ids)

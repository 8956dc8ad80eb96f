"""Every group of related samples gets one side, and keeps it."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipelines.release.write import SPLITS, released
from pipelines.road.groups import assign_sides
from pipelines.road.stage import Build, Outcome, Road, Stage
from pipelines.road.steps.tables import samples, write


def split_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Give every group of related samples one side."""
    columns = ("id", "question", "options", "answer", "media", "source", "group_id", "parent_id")
    rows = samples(road, stage, columns).sort("id").collect()
    sides = released_sides(build)
    gone = None if sides is None else no_longer_alive(road, rows, sides, columns)
    parted, notes = assign_sides(build, rows, build.folder(stage), sides, gone)
    outcome = write(build, stage, rows.height, parted.kept, parted.dropped)
    return Outcome(outcome.rows_in, outcome.rows_kept, notes=notes)


def no_longer_alive(road: Road, rows: pl.DataFrame, sides: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The samples that a release gave away and a stage has dropped since: what took their place gets their side."""
    ids = sides.join(rows, on="id", how="anti").select("id").lazy()
    return road.table("ingest").select(columns).join(ids, on="id", how="semi").sort("id").collect()


def released_sides(build: Build) -> pl.DataFrame | None:
    """The side of every row that any release ever gave away: once out, a row stays there, the unselected ones too."""
    sides = [
        side
        for release in released(build.workspace.former(build.recipe.name))
        for side in [*_sides(release), *_unselected(release)]
    ]
    if not sides:
        return None
    return pl.concat(sides).unique("id", keep="first", maintain_order=True).collect()


def latest_rows(build: Build) -> pl.DataFrame | None:
    """The rows (`id, split`) of the splits of the latest release."""
    found = released(build.workspace.former(build.recipe.name))
    return pl.concat(_sides(found[-1])).unique("id", maintain_order=True).collect() if found else None


def _sides(release: Path) -> list[pl.LazyFrame]:
    return [pl.scan_parquet(release / name / "*.parquet").select("id", pl.lit(name).alias("split")) for name in SPLITS]


def _unselected(release: Path) -> list[pl.LazyFrame]:
    parts = sorted((release / "unfiltered").glob("*.parquet"))
    return [pl.scan_parquet(parts).select("id", "split")] if parts else []

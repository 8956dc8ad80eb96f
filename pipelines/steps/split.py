"""Every group of related samples gets one side, and keeps it."""

import polars as pl

from pipelines.groups import assign_sides
from pipelines.release import SPLITS, released
from pipelines.stage import Build, Outcome, Road, Stage
from pipelines.steps.tables import samples, write


def split_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Give every group of related samples one side."""
    columns = ("id", "question", "options", "answer", "media", "source", "group_id", "parent_id")
    rows = samples(road, stage, columns).sort("id").collect()
    parted, notes = assign_sides(build, rows, build.folder(stage), released_sides(build))
    outcome = write(build, stage, rows.height, parted.kept, parted.dropped)
    return Outcome(outcome.rows_in, outcome.rows_kept, notes=notes)


def released_sides(build: Build) -> pl.DataFrame | None:
    """The side of every row of the latest release: once released, a row stays there."""
    latest = released(build.workspace.releases(build.recipe.name))
    if not latest:
        return None
    sides = [
        pl.scan_parquet(latest[-1] / name / "*.parquet").select("id", pl.lit(name).alias("split")).unique()
        for name in SPLITS
    ]
    return pl.concat(sides).collect()

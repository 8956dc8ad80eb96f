"""Every group of related samples gets one side, and keeps it."""

import polars as pl

from filters.assign import assign_splits
from filters.groups import group_ids
from pipelines.release import SPLITS, released
from pipelines.stage import Build, Outcome, Road, Stage
from pipelines.steps.tables import samples, write


def split_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Give every group of related samples one side."""
    rows = samples(road, stage, ("id", "question", "media", "group_id", "parent_id")).collect()
    groups = group_ids(rows.drop("question"))
    parted = assign_splits(groups, build.recipe.split, released_sides(build))
    return write(build, stage, rows.height, parted.kept, parted.dropped)


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

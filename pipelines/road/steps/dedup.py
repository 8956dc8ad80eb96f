"""Twins are parted: the better one stays."""

import polars as pl

from pipelines.road.dedup import drop_duplicates
from pipelines.road.stage import Build, Outcome, Road, Stage
from pipelines.road.steps.split import latest_rows
from pipelines.road.steps.tables import samples, write
from pipelines.road.steps.traces import verified


def dedup_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Part twins: of rows that ask the same about the same picture, the best stays."""
    columns = ("id", "question", "options", "answer", "media", "source")
    rows = samples(road, stage, columns).join(quality(road), on="id", how="left").sort("id").collect()
    parted, notes = drop_duplicates(build, rows, build.folder(stage), latest_rows(build))
    outcome = write(build, stage, rows.height, parted.kept.select("id"), parted.dropped)
    return Outcome(outcome.rows_in, outcome.rows_kept, notes=notes)


def quality(road: Road) -> pl.LazyFrame:
    """By what the better of two duplicates is told: whether it has a verified trace, and how many."""
    if "verify" not in road:
        return road.table("ingest").select("id", n_correct=pl.lit(0, pl.UInt32), verified=pl.lit(False))
    counts = verified(road).group_by(pl.col("sample_id").alias("id")).agg(n_correct=pl.len())
    return counts.with_columns(verified=pl.col("n_correct") > 0)

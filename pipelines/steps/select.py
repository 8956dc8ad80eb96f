"""What is worth training on, and the control beside it."""

import polars as pl

from filters.select.variance import random_control, select_variance
from pipelines.stage import Build, Outcome, Road, Stage
from pipelines.steps.tables import write
from pipelines.workspace import write_table


def select_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Choose among the measured samples of the configured splits; write the random control of equal size beside it."""
    config = build.recipe.select
    assert config is not None
    sides = road.table("split").join(road.table(road.last("samples", stage)), on="id", how="semi")
    rows = sides.join(road.table("difficulty"), on="id").select("id", "split", "k", "n").collect()
    candidates, others = (rows.filter(pl.col("split").is_in(config.splits) == side) for side in (True, False))
    parted = select_variance(candidates.drop("split"), config, build.recipe.seed)
    control = random_control(candidates, parted.kept.height, build.recipe.seed)
    write_table(control, build.folder(stage) / "control.parquet")
    kept = pl.concat([parted.kept, others.drop("split")], how="diagonal").select("id", "value", "rank")
    return write(build, stage, rows.height, kept, parted.dropped)

"""What is worth training on, and the control beside it."""

import polars as pl

from filters.select.comparison import COLUMNS, compare
from filters.select.select import columns_read, control, select
from pipelines.stage import Build, Outcome, Road, Stage
from pipelines.steps.candidates import candidates
from pipelines.steps.tables import write
from pipelines.workspace import write_table


def select_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Choose among the samples of the configured splits; write the random control beside it, and how the two compare."""
    config = build.recipe.select
    assert config is not None
    columns = columns_read(config)
    rows = candidates(road, stage, tuple(dict.fromkeys((*columns, *COLUMNS))), config).collect()
    eligible, others = (rows.filter(pl.col("split").is_in(config.splits) == side) for side in (True, False))
    table = eligible.select("id", *columns)
    parted = select(table, config, build.recipe.seed)
    beside = control(table, parted.kept, config, build.recipe.seed)
    compared = compare(eligible, parted.kept["id"], beside["id"])
    folder = build.folder(stage)
    write_table(beside, folder / "control.parquet")
    write_table(compared, folder / "comparison.parquet")
    kept = pl.concat([parted.kept, others.select("id")], how="diagonal")
    outcome = write(build, stage, rows.height, kept.select("id", "value", "rank", "weight", "evidence"), parted.dropped)
    return Outcome(outcome.rows_in, outcome.rows_kept, notes={"comparison": compared.rows(named=True)})

"""Rows that an evaluation set holds are taken out, and every hit is written down."""

from pipelines.decontaminate import drop_evaluation_rows
from pipelines.stage import Build, Outcome, Road, Stage
from pipelines.steps.tables import samples, write
from pipelines.workspace import write_table


def decontaminate_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Drop what an evaluation set already asks or shows; `hits.parquet` lists every hit, for the card."""
    rows = samples(road, stage, ("id", "question", "options", "answer", "media")).sort("id").collect()
    found = drop_evaluation_rows(build, rows, build.folder(stage))
    write_table(found.hits, build.folder(stage) / "hits.parquet")
    outcome = write(build, stage, rows.height, found.split.kept.select("id"), found.split.dropped)
    return Outcome(outcome.rows_in, outcome.rows_kept, notes=found.notes)

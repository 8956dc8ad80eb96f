"""Rows that an evaluation set holds are taken out, and every hit is written down."""

from typing import Any

import polars as pl

from pipelines.road.decontaminate import drop_evaluation_rows
from pipelines.road.stage import Build, Outcome, Road, Stage
from pipelines.road.steps.tables import samples, write
from pipelines.store.workspace import write_table


def decontaminate_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Drop what an evaluation set already asks or shows; `hits.parquet` lists every hit, for the card."""
    rows = samples(road, stage, ("id", "question", "options", "answer", "media")).sort("id").collect()
    found = drop_evaluation_rows(build, rows, build.folder(stage))
    write_table(found.hits, build.folder(stage) / "hits.parquet")
    outcome = write(build, stage, rows.height, found.split.kept.select("id"), found.split.dropped)
    return Outcome(outcome.rows_in, outcome.rows_kept, notes=found.notes)


SHOWN = 200
"""Hits that a release's manifest and card list one by one; `dropped.parquet` has all."""


def evaluation_sets(road: Road) -> dict[str, Any]:
    """What the manifest says of decontamination, where there was any: the sets, and the strongest hit of each row."""
    if "decontaminate" not in road:
        return {}
    record = road.record(road.stage("decontaminate")) or {"notes": {"evaluation_sets": {}}}
    facts = [
        pl.col("evidence").str.json_path_match(f"$.{name}").alias(name) for name in ("benchmark", "row", "by", "score")
    ]
    hits = road.table("decontaminate", "dropped").select("id", *facts).sort("benchmark", "row", "id").collect()
    listed = hits.head(SHOWN).to_dicts()
    return {"evaluation_sets": {"sets": record["notes"]["evaluation_sets"], "count": hits.height, "hits": listed}}

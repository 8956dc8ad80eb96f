"""What a release says of the evaluation sets that were kept out: their questions, the rows that hit them, and the hits."""

from typing import Any

import polars as pl

from pipelines.compiler.pipeline import Step
from pipelines.run.context import StepContext
from pipelines.store.step_tables import DROPS, table_beside
from pipelines.store.table_files import read_table

SHOWN = 200
"""Hits that a manifest and a card list one by one; `dropped.parquet` of the release has all."""

TABLE = "evaluation_sets"
"""The table of a `decontaminate` step with its counts: `benchmark, questions, rows`."""


def evaluation_sets(context: StepContext) -> dict[str, Any] | None:
    """`sets` by name, the `count` of our rows that hit one, and `hits`: the strongest of each row, `SHOWN` at most.

    None where nothing was compared with an evaluation set. Several `decontaminate` steps count together.
    """
    before = context.pipeline.before(context.step)
    steps = [step for step in before if step.type.name == "decontaminate" and TABLE in context.record.tables(step.name)]
    if not steps:
        return None
    counts = pl.concat([read_table(table_beside(context.build.folder / step.name, TABLE)) for step in steps])
    sets = counts.group_by("benchmark").agg(pl.col("questions").max(), pl.col("rows").sum()).sort("benchmark")
    hits = pl.concat([_hits(context, step) for step in steps]).sort("benchmark", "row", "id")
    return {
        "sets": {name: {"questions": questions, "rows": rows} for name, questions, rows in sets.iter_rows()},
        "count": hits.height,
        "hits": hits.head(SHOWN).to_dicts(),
    }


def _hits(context: StepContext, step: Step) -> pl.DataFrame:
    """`id, benchmark, row, by, score` of the rows that a step dropped."""
    evidence = pl.col("evidence")
    facts = {name: evidence.str.json_path_match(f"$.{name}") for name in ("benchmark", "row", "by", "score")}
    found = [pl.DataFrame(schema={"id": pl.String, **dict.fromkeys(facts, pl.String)})]
    for bucket in context.buckets:
        drops = context.tables.scan(step.name, DROPS, bucket)
        if drops is not None:
            found.append(drops.select("id", **facts).collect())
    return pl.concat(found).with_columns(pl.col("score").cast(pl.Float64))

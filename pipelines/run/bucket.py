"""One bucket of a step: its rows are read, its body runs, and what that gives is written and recorded.

A bucket is a shard: what is computed of it depends on its tables and the step alone, so any process may do it, and any
number of them come to the same bytes.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import polars as pl

from pipelines.compiler.pipeline import Step
from pipelines.run.asked import ANSWERS
from pipelines.run.body import run_body
from pipelines.run.bucket_tables import Counted, Inquiry, write
from pipelines.run.context import Done, StepContext
from pipelines.run.contracts import checked
from pipelines.store.current import Tables
from pipelines.store.step_tables import RETIRED


def rows_of(tables: Tables, step: Step, bucket: int) -> tuple[pl.DataFrame, Counted]:
    """The rows of a bucket that a step works on."""
    asked = {f"where {name}": source for name, source in step.where_sources.items()}
    found = tables.current(step.node, {**step.sources, **asked}, bucket, step.number)
    if step.where is None:
        return found, Counted(found.height, 0, 0)
    meets = step.where.evaluate(found.with_columns(pl.col(f"where {n}").alias(n) for n in step.where_sources))
    rows = found.filter(meets.fill_null(False)).drop(asked)
    return rows, Counted(rows.height, found.height - rows.height, meets.null_count())


class Computed(NamedTuple):
    """The record of a bucket, and what its step keeps beside the rows."""

    part: dict[str, Any]
    tables: Mapping[str, pl.DataFrame]


def compute(
    context: StepContext,
    bucket: int,
    inputs: str,
    survey: Any,
    done: Done,
    answers: pl.DataFrame | None = None,
    inquiry: Callable[[], Inquiry] | None = None,
) -> Computed:
    """Compute a bucket and write it. `inputs` are the contents of what it reads, `survey` is what its step made of all rows;
    `done` is called with the number of rows of each piece, and `inquiry` once the `answers` of models have been read."""
    step = context.step
    context.survey = survey
    rows, counted = rows_of(context.tables, step, bucket)
    beside = {name: context.beside(name, bucket) for name in step.beside}
    out = run_body(step, rows, beside, pl.DataFrame(schema=ANSWERS) if answers is None else answers, context, done)
    rows = rows.select("id", "sample_id", "parent_id")  # the rest is not held while what came of it is written
    written, drops = checked(step, rows, out)
    asked = None if inquiry is None else inquiry()
    part = write(context, bucket, written, drops, out.tables.get(RETIRED), inputs, counted, out.notes, asked)
    return Computed(part, {name: table for name, table in out.tables.items() if name != RETIRED})

"""The tables of one bucket of a step, written, and what is recorded of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from pipelines.run.context import StepContext
from pipelines.store.step_tables import (
    DROPS,
    REQUESTED,
    RETIRED,
    ROWS,
    column_contents,
    content,
    part,
    write_part,
)


class Counted(NamedTuple):
    """How many rows a step works on in a bucket, and how many its `where` passes by, and leaves undecided."""

    rows: int
    passed: int
    undecided: int


class Inquiry(NamedTuple):
    """What was asked about the rows of a bucket (columns of `asked.ASKED`), and which models refused, by their terms."""

    asked: pl.DataFrame
    refused: Mapping[str, str]


def write(
    context: StepContext,
    bucket: int,
    written: pl.DataFrame,
    drops: pl.DataFrame,
    retired: pl.DataFrame | None,
    inputs: str,
    counted: Counted,
    notes: Mapping[str, int],
    inquiry: Inquiry | None,
) -> dict[str, Any]:
    """Write the tables of a bucket, and return its record."""
    step, folder = context.step, context.build.folder / context.name
    contents = {}
    if drops.height:
        contents = {"#dropped": column_contents(drops.select("id"))["id"], "#drops": content(drops)}
    if step.makes:
        written = written.select("id", "sample_id", "parent_id", *step.gives)
        contents["#id"] = column_contents(written.select(key=pl.struct("id", "parent_id")))["key"]
    tables = {ROWS: written, **({DROPS: drops} if drops.height else {})}
    ids = column_contents(written.select("id"))["id"]
    contents |= {name: f"{column_contents(written.select(name))[name]}:{ids}" for name in step.gives}
    if inquiry is not None:
        tables[REQUESTED] = inquiry.asked
    if retired is not None and retired.height:
        tables[RETIRED] = retired
        contents["#retired"] = content(retired)
    files = {(path := part(folder, table, bucket)).name: write_part(rows, path) for table, rows in tables.items()}
    for other in {DROPS, RETIRED, REQUESTED} - set(tables):
        part(folder, other, bucket).unlink(missing_ok=True)  # what it gave before
    reasons = drops.group_by("reason").len().sort("reason")
    asked = {}
    if inquiry is not None:
        asked = {"requested": inquiry.asked["key"].n_unique(), "refused": dict(inquiry.refused)}
    return {
        "inputs": inputs,
        "run": context.build.run,
        "in": counted.rows,
        "passed": counted.passed,
        "undecided": counted.undecided,
        "gone": context.tables.with_parent(step.node, bucket, step.number).height,
        "kept": written.height,
        "dropped": dict(reasons.iter_rows()),
        "contents": contents,
        "files": files,
        "notes": dict(notes),
        **asked,
    }

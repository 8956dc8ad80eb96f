"""The random control of a selection, as every bucket of a release looks it up."""

import polars as pl

from pipelines.run.context import StepContext
from pipelines.store.step_tables import table_beside
from pipelines.store.table_files import read_table


def control_of(step: str, context: StepContext) -> pl.DataFrame:
    """The ids that the random control of a selection took, of all buckets: read once in a process, not once a bucket."""
    if "control" not in context.record.tables(step):
        return pl.DataFrame(schema={"id": pl.String})
    path = table_beside(context.build.folder / step, "control")
    written = path.stat()
    key = f"{path} {written.st_mtime_ns} {written.st_ino}"  # a process may serve a release twice
    if key not in context.shared:
        context.shared[key] = read_table(path, columns=["id"])
    found: pl.DataFrame = context.shared[key]
    return found

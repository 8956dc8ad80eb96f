"""An append-only log by content key: immutable parquet parts in one folder. What is missing is found by an anti-join.

Any number of processes may append at once; each part has a name of its own. Two of them may have computed the same key:
readers take either.
"""

import uuid
from pathlib import Path

import polars as pl

from pipelines.store.workspace import write_table


class KeyedLog:
    """The parts in `folder`; each row has a `key`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, table: pl.DataFrame) -> None:
        """Write `table` as a part. When this returns it is on the disk."""
        if table.height:
            write_table(table, self.folder / f"part-{uuid.uuid4().hex}.parquet")

    def parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    def keys(self) -> pl.LazyFrame:
        """The keys that are there, as `key`; some perhaps twice."""
        parts = self.parts()
        return pl.scan_parquet(parts).select("key") if parts else pl.LazyFrame(schema={"key": pl.String})

    def missing(self, wanted: pl.LazyFrame) -> pl.LazyFrame:
        """The rows of `wanted` whose `key` is not there, in their order."""
        return wanted.join(self.keys(), on="key", how="anti", maintain_order="left")

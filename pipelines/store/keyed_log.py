"""An append-only log by content key: immutable parquet parts in one folder. What is missing is found by an anti-join.

Any number of processes may append at once; each part has a name of its own. Two of them may have computed the same key:
readers take either.
"""

from pathlib import Path

import polars as pl

from pipelines.store.part_folder import PartFolder, Shape
from pipelines.store.table_files import scan_table


class KeyedLog:
    """The parts in `folder` of the log `of`; each row has a `key` and the columns that `shape` asks for."""

    def __init__(
        self, folder: Path, of: str, shape: Shape, *, by: tuple[str, ...] = (), sort: tuple[str, ...] = ("key",)
    ) -> None:
        self.folder = folder
        self.files = PartFolder(folder, of, shape, by=by, sort=sort)

    def append(self, table: pl.DataFrame) -> None:
        """Write `table` as a part. When this returns it is on the disk."""
        self.files.write(table)

    def parts(self) -> list[Path]:
        """The parts that are as they were written, in all that they hold."""
        return self.files.parts()

    def keys(self) -> pl.LazyFrame:
        """The keys that are there, as `key`; some perhaps twice."""
        parts = self.parts()
        return scan_table(parts).select("key") if parts else pl.LazyFrame(schema={"key": pl.String})

    def missing(self, wanted: pl.LazyFrame) -> pl.LazyFrame:
        """The rows of `wanted` whose `key` is not there, in their order."""
        return wanted.join(self.keys(), on="key", how="anti", maintain_order="left")

"""Rows that come once, in any order, and are read back by ranges of a key: in memory as long as they are few."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.store.table_files import scan_table
from pipelines.store.workspace import write_table

KEY = "__key"
"""The column of the key, an unsigned number of 64 bits."""


class Spilled:
    """Rows with a column `KEY`. Not more than `most` bytes of them are in memory; the others lie in files of `folder`."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most
        self._held: list[pl.DataFrame] = []
        self._files: list[Path] = []
        self._bytes = 0
        self.keys: list[npt.NDArray[np.uint64]] = []
        """The keys of all rows."""
        self.size = 0
        """Bytes of all rows, in memory."""

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows."""
        self._held.append(rows)
        self.keys.append(rows[KEY].to_numpy())
        size = int(rows.estimated_size())
        self._bytes += size
        self.size += size
        if self._bytes > self._most:
            self._spill()

    def between(self, first: int, last: int) -> pl.DataFrame:
        """All rows with a key in this range, ends included."""
        is_in = pl.col(KEY).is_between(pl.lit(first, pl.UInt64), pl.lit(last, pl.UInt64))
        return pl.concat([table.filter(is_in).collect() for table in self._tables()])

    def _tables(self) -> Iterator[pl.LazyFrame]:
        yield from (scan_table(file) for file in self._files)
        yield from (table.lazy() for table in self._held)

    def _spill(self) -> None:
        rows = pl.concat(self._held).sort(KEY)  # so that few row groups hold a range
        self._files.append(self._folder / f"rows-{len(self._files):05d}.parquet")
        self._held.clear()
        self._bytes = 0
        write_table(rows, self._files[-1])

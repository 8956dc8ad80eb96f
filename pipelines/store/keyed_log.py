"""An append-only log by content key: immutable parquet parts in one folder. What is missing is found by an anti-join.

Any number of processes may append at once; each part has a name of its own. Two of them may have computed the same key:
readers take either. As in the completions log, of a part its keys are read, and of its rows those groups that have a wanted
one.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.store.part_folder import PartFolder, Shape
from pipelines.store.part_keys import Places, Wanted
from pipelines.store.parts import read_rows


class KeyedLog:
    """The parts in `folder` of the log `of`, whose columns `shape` knows; rows have the column `key`, by default `key`."""

    def __init__(self, folder: Path, of: str, shape: Shape, *, key: str = "key") -> None:
        self.folder = folder
        self._key = key
        self.files = PartFolder(folder, of, shape, sort=(key,))

    def append(self, table: pl.DataFrame) -> None:
        """Write `table` as a part. When this returns it is on the disk."""
        self.files.write(table)

    def missing(self, keys: pl.Series) -> pl.Series:
        """The keys that are not there, in their order. Rows that are not as they were written are not there."""
        sought = Wanted(keys)
        lacking = pl.Series(values=np.ones(len(sought.keys), dtype=bool))
        for _, places in self._found(sought):
            lacking[places.keys] = False
        return keys.filter(keys.is_in(sought.keys.filter(lacking).implode()))

    def rows(self, keys: pl.Series) -> Iterator[pl.DataFrame]:
        """The rows of these keys, part by part in the order of their names, a piece at a time; some perhaps twice."""
        sought = Wanted(keys)
        for path, places in self._found(sought):
            types = self.files.proof(path).schema
            rows = pl.DataFrame({self._key: sought.keys.gather(places.keys), "row": places.rows})
            for piece in read_rows(path, rows, pl.Schema({n: t for n, t in types.items() if n != self._key})):
                yield piece.select(list(types))

    def _found(self, sought: Wanted) -> Iterator[tuple[Path, Places]]:
        for path in self.files.parts(()):
            places = self.files.rows_with(path, sought)
            if places is not None and len(places.rows):
                yield path, places

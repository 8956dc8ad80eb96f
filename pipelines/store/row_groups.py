"""Tables on disk whose row groups are small in bytes, so that whoever reads one holds a piece of it and no more.

A row group is what a reader of parquet decodes at once. Counted in rows alone, 100,000 replies of a reasoner are one of
1.7 GB. Where a group ends depends on the rows, not on the pieces in which they came.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import polars as pl

from pipelines.store.table_files import table_schema

GROUP_BYTES = 32 << 20
GROUP_ROWS = 65_536
BATCH = 8192
PACKED = "zstd"
PASSING = "lz4"
"""How tables are packed: those that stay, and those that are read once and removed, of which it takes half the time to write
and to read the texts."""


class Groups(NamedTuple):
    """Where a row group ends: after so many rows, or bytes, whatever comes first."""

    rows: int
    bytes: int


class TableWriter:
    """A context manager that writes one parquet file, piece by piece. All pieces have the columns of `schema`."""

    def __init__(self, path: Path, schema: pl.Schema, groups: Groups | None = None, packing: str = PACKED) -> None:
        self._packing = packing
        self._most = groups or Groups(GROUP_ROWS, GROUP_BYTES)
        self._path = path
        self._schema = schema
        self._held: list[pl.DataFrame] = []
        self._rows = self._bytes = 0
        self.rows = 0

    def __enter__(self) -> Self:
        import pyarrow.parquet as pq

        self._arrow = to_arrow(pl.DataFrame(schema=self._schema)).schema
        self._writer = pq.ParquetWriter(self._path, self._arrow, compression=self._packing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.end_group()
        finally:
            self._writer.close()

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows."""
        if rows.schema != self._schema:
            raise pl.exceptions.SchemaError(f"a table of {self._schema} cannot take rows of {rows.schema}")
        self.rows += rows.height
        while rows.height:
            ends = self._bytes + row_bytes(rows).cum_sum()
            # The row that fills the group is its last one.
            fits = min(int((ends < self._most.bytes).sum()) + 1, self._most.rows - self._rows, rows.height)
            self._held.append(rows.head(fits))
            self._rows, self._bytes = self._rows + fits, int(ends[fits - 1])
            if self._rows == self._most.rows or self._bytes >= self._most.bytes:
                self.end_group()
            rows = rows.slice(fits)

    def end_group(self) -> None:
        """End a row group after the rows that were added so far."""
        if self._rows:
            table = to_arrow(pl.concat(self._held)).cast(self._arrow).combine_chunks()
            self._writer.write_table(table, row_group_size=self._rows)
        self._held, self._rows, self._bytes = [], 0, 0


def row_bytes(rows: pl.DataFrame) -> pl.Series:
    """Roughly how many bytes each row takes: its texts, and 16 for each item of its lists."""
    texts = [pl.col(name).str.len_bytes() for name, dtype in rows.schema.items() if dtype == pl.String]
    lists = [pl.col(name).list.len() * 16 for name, dtype in rows.schema.items() if isinstance(dtype, pl.List)]
    fixed = pl.repeat(8 * len(rows.columns), pl.len(), dtype=pl.Int64)
    return rows.select(pl.sum_horizontal(fixed, *(size.cast(pl.Int64) for size in (*texts, *lists)))).to_series()


def batches(path: Path, size: int = BATCH) -> Iterator[pl.DataFrame]:
    """A parquet table in pieces of a row group at most, in its order; only one is in memory."""
    import pyarrow.parquet as pq

    schema = table_schema(path)
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            yield from from_arrow(file.read_row_group(group), schema).iter_slices(size)


def group_count(path: Path) -> int:
    """How many row groups a parquet table has."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_row_groups)


def row_group(path: Path, number: int) -> pl.DataFrame:
    """One row group of a parquet table."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False) as file:
        return from_arrow(file.read_row_group(number), table_schema(path))


def whole_rows(pieces: Iterator[pl.DataFrame], key: str = "id") -> Iterator[pl.DataFrame]:
    """The same pieces, cut so that all rows of a key (which are adjacent) are in one."""
    rest: pl.DataFrame | None = None
    for piece in pieces:
        if not piece.height:
            continue
        table = piece if rest is None else pl.concat([rest, piece])
        last = pl.col(key) == table[key][-1]
        rest = table.filter(last)
        if rest.height < table.height:
            yield table.filter(~last)
    if rest is not None:
        yield rest


def even(pieces: Iterable[pl.DataFrame], size: int) -> Iterator[pl.DataFrame]:
    """The same rows in pieces of `size` each, but for the last, however they came."""
    held: list[pl.DataFrame] = []
    rows = 0
    for piece in pieces:
        held.append(piece)
        rows += piece.height
        if rows >= size:
            table = pl.concat(held)
            for start in range(0, rows - rows % size, size):
                yield table.slice(start, size)
            held, rows = [table.slice(rows - rows % size)], rows % size
    if rows:
        yield pl.concat(held)


def from_arrow(table: Any, schema: pl.Schema) -> pl.DataFrame:
    """An Arrow table as polars would have read it."""
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found if found.schema == schema else found.cast(schema)  # type: ignore[arg-type]


def to_arrow(rows: pl.DataFrame) -> Any:
    """An Arrow table of types that every version of Arrow has."""
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())

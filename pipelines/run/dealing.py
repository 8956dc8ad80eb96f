"""Rows dealt to buckets as they come, before anybody knows how many buckets there will be.

What memory holds is dealt once all is there. Beyond that rows go into `GROUPS` files by the last digits of their ids; as
the number of buckets is a power of two, a file holds whole buckets, or a bucket whole files. So a row is written once on
its way, nothing is sorted but the rows of a bucket, and hands of files are dealt by any number of processes.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from pipelines.store.memory import Memory
from pipelines.store.row_groups import from_arrow, to_arrow
from pipelines.store.step_tables import bucket_of
from pipelines.store.workspace import store_errors

GROUPS = 1024
"""Files that rows are dealt to where memory does not hold them, so that each holds a thousandth of all."""


class Dealer:
    """Takes rows that have an `id`, and writes them into `folder`, which is private to it."""

    def __init__(self, folder: Path, memory: Memory) -> None:
        self._folder = folder
        self._most = memory.piece // 2  # it is held twice while it is dealt
        self._held: list[pl.DataFrame] = []
        self._bytes = 0
        self.size = 0
        """Bytes of all rows, about."""
        self._spilled = False
        self._written: set[int] = set()
        folder.mkdir()

    def add(self, rows: pl.DataFrame) -> None:
        """Deal some rows."""
        if rows.height:
            self._held.append(rows)
            size = int(rows.estimated_size())
            self._bytes += size
            self.size += size
        if self._bytes >= self._most:
            self._spilled = True
            self._write(GROUPS)

    def end(self, buckets: int) -> list[list[int]]:
        """Write what is left, for so many buckets; the files of each hand."""
        hands = min(GROUPS, buckets)
        self._write(GROUPS if self._spilled else hands)
        return [[group for group in range(number, GROUPS, hands) if group in self._written] for number in range(hands)]

    def _write(self, groups: int) -> None:
        if not self._held:
            return
        import pyarrow as pa

        rows = pl.concat(self._held).with_columns(group=bucket_of(pl.col("id"), groups))
        self._held, self._bytes = [], 0
        # What memory holds once is not worth packing on its way to another process.
        options = pa.ipc.IpcWriteOptions(compression="lz4" if self._spilled else None)
        for (group,), mine in rows.partition_by("group", as_dict=True, include_key=False).items():
            self._written.add(int(group))
            path = _path(self._folder, int(group))
            table = to_arrow(mine).combine_chunks()
            with (
                store_errors(path),
                path.open("ab") as file,
                pa.ipc.new_stream(file, table.schema, options=options) as writer,
            ):
                writer.write_table(table)


def hand(
    folder: Path, number: int, files: Iterable[int], buckets: int, schema: pl.Schema
) -> Iterator[tuple[int, pl.DataFrame]]:
    """The buckets of a hand, of so many in all, each with its rows in order of `id`. Raises FileNotFoundError where one of
    its files is not there, as on another machine."""
    hands = min(GROUPS, buckets)
    rows = _read([_path(folder, group) for group in files], schema)
    rows = rows.with_columns(bucket=bucket_of(pl.col("id"), buckets))
    dealt = rows.partition_by("bucket", as_dict=True, include_key=False)
    del rows
    for bucket in range(number, buckets, hands):
        yield bucket, dealt.pop((bucket,), pl.DataFrame(schema=schema)).sort("id")


def _read(paths: Iterable[Path], schema: pl.Schema) -> pl.DataFrame:
    """The rows of files, each of which holds a stream for each time that it was written."""
    import pyarrow as pa

    found = [to_arrow(pl.DataFrame(schema=schema))]
    for path in paths:
        size = path.stat().st_size
        with pa.memory_map(str(path)) as file:
            while file.tell() < size:
                with pa.ipc.open_stream(file) as stream:
                    found.append(stream.read_all())
    return from_arrow(pa.concat_tables(found), schema)


def _path(folder: Path, group: int) -> Path:
    return folder / f"{group:04d}.arrows"

"""Rows in order without holding them: sorted runs on disk, merged; and two streams in the same order, side by side.

Sorting, joining or windowing a table of texts in one go takes as much memory as the texts. Here memory depends on the
budget alone: a run is what fits, and of each run only a chunk is read at a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from pipelines.store.memory import Memory
from pipelines.store.row_groups import PASSING, from_arrow, to_arrow
from pipelines.store.scratch import scratch
from pipelines.store.workspace import store_errors, write_pieces


def in_order(pieces: Iterable[pl.DataFrame], by: Sequence[str], folder: Path, memory: Memory) -> Iterator[pl.DataFrame]:
    """The rows of `pieces` sorted by the columns `by` (ascending, nulls last), in pieces of bounded size.

    Rows that are equal in `by` come in any order, so `by` has to tell rows apart wherever order matters. Runs that do not
    fit into memory go into `folder`, which is private to the caller.
    """
    runs: list[_Run] = []
    held: list[pl.DataFrame] = []
    size = made = 0
    for piece in pieces:
        held.append(piece)
        size += int(piece.estimated_size())
        if size >= memory.piece:
            runs.append(_Run(folder / f"run-{made}.arrow", _slices(_sorted(held, by), memory)))
            held, size, made = [], 0, made + 1
    if held and not runs:
        yield from _slices(_sorted(held, by), memory)
        return
    if held:
        runs.append(_Run(folder / f"run-{made}.arrow", _slices(_sorted(held, by), memory)))
        made += 1
    held.clear()
    most = max(2, memory.piece // memory.chunk)
    while len(runs) > most:
        runs = [*runs[most:], _Run(folder / f"run-{made}.arrow", _merge(runs[:most], by))]
        made += 1
    yield from _merge(runs, by)


def aligned(
    left: Iterable[pl.DataFrame], right: Iterable[pl.DataFrame], left_on: str, right_on: str
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Each piece of `left` with the rows of `right` that have one of its keys, as far as its first and last key tell.

    Both come sorted by their keys and neither is held: this is a join of two streams. `right` has one piece at least, be it
    empty, which says what its columns are.
    """
    following = iter(right)
    held, more = next(following), True
    for piece in left:
        if not piece.height:
            continue
        low, high = piece[left_on][0], piece[left_on][-1]
        held = held.filter(pl.col(right_on) >= low)
        while more and not (held.height and held[right_on][-1] > high):
            found = next(following, None)
            if found is None:
                more = False
            else:
                held = pl.concat([held, found.filter(pl.col(right_on) >= low)])
        yield piece, held.filter(pl.col(right_on) <= high)


def sorted_pieces(table: pl.LazyFrame, by: Sequence[str], parent: Path, memory: Memory) -> Iterator[pl.DataFrame]:
    """A lazy table sorted by columns that tell its rows apart, in pieces; what memory does not hold goes below `parent`."""
    with scratch(parent) as folder:
        yield from in_order(table.collect_batches(maintain_order=True), by, folder, memory)


def write_sorted(table: pl.LazyFrame, by: Sequence[str], path: Path, memory: Memory) -> None:
    """Write a lazy table sorted by columns that tell its rows apart, to be read once."""
    write_pieces(sorted_pieces(table, by, path.parent, memory), table.collect_schema(), path, PASSING)


class _Run:
    """A sorted file of Arrow batches, each a chunk of rows; it goes when it has been read."""

    def __init__(self, path: Path, chunks: Iterator[pl.DataFrame]) -> None:
        import pyarrow as pa

        self._path = path
        first = next(chunks)
        self._schema = first.schema
        arrow = to_arrow(first)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            store_errors(path),
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_file(file, arrow.schema, options=options) as writer,
        ):
            writer.write_table(arrow.combine_chunks())
            for chunk in chunks:
                writer.write_table(to_arrow(chunk).combine_chunks())

    def chunks(self) -> Iterator[pl.DataFrame]:
        import pyarrow as pa

        with pa.OSFile(str(self._path), "rb") as file, pa.ipc.open_file(file) as reader:
            for number in range(reader.num_record_batches):
                yield from_arrow(reader.get_batch(number), self._schema)
        self._path.unlink()


def _merge(runs: Sequence[_Run], by: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The rows of sorted runs in one order. What is not greater than the last row of every chunk at hand can go out."""
    following = [run.chunks() for run in runs]
    heads = [next(chunks) for chunks in following]
    while heads:
        keys = pl.concat(
            head.select(*by, __run=pl.lit(run, pl.UInt32), __last=pl.int_range(pl.len()) == pl.len() - 1)
            for run, head in enumerate(heads)
        )
        ordered = keys.sort(*by, nulls_last=True, maintain_order=True)
        ready = ordered.head(int(ordered["__last"].arg_max() or 0) + 1)["__run"]
        taken = dict(ready.value_counts().iter_rows())
        yield _sorted([head.head(taken.get(run, 0)) for run, head in enumerate(heads)], by)
        rest = []
        for run, head in enumerate(heads):
            left: pl.DataFrame | None = head.slice(taken.get(run, 0))
            if left is not None and not left.height:
                left = next(following[run], None)
            rest.append(left)
        following = [chunks for chunks, head in zip(following, rest, strict=True) if head is not None]
        heads = [head for head in rest if head is not None]


def _sorted(held: Sequence[pl.DataFrame], by: Sequence[str]) -> pl.DataFrame:
    return pl.concat(held).sort(*by, nulls_last=True)


def _slices(rows: pl.DataFrame, memory: Memory) -> Iterator[pl.DataFrame]:
    return rows.iter_slices(max(1, memory.chunk * rows.height // max(1, int(rows.estimated_size()))))

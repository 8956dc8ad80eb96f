"""Rows of a log's parts, read by their places: only what is wanted of a part is copied, only a piece of it is in memory."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import polars as pl

from pipelines.store.row_groups import batches, from_arrow
from schemas.completion import COMPLETION
from schemas.digests import bytes_hash

_BYTES = 8 << 20
"""Bytes of a part that are decoded at once, if no group of rows has more."""

DIGESTS = pl.Schema({"part": pl.Int64, "row": pl.Int64, "digest": pl.String})
TIMES = pl.Schema({"part": pl.Int64(), "row": pl.Int64(), "created_at": pl.Datetime("us", "UTC")})
NOWHERE = -1
"""The `part` of what no part holds."""


def read_places(parts: Sequence[Path], places: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The table `places` (`part, row`, in that order), each row with `columns` of that row of that part.

    They are null where `part` is NOWHERE. Pieces are no larger than what a part holds in a few thousand rows.
    """
    types = {name: COMPLETION[name] for name in columns}
    for rows in batches(places):
        for (number,), own in rows.group_by("part", maintain_order=True):
            if number == NOWHERE:
                yield own.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in types.items())
            else:
                yield from read_rows(parts[int(str(number))], own, pl.Schema(types))


def read_rows(part: Path, rows: pl.DataFrame, types: pl.Schema) -> Iterator[pl.DataFrame]:
    """`rows`, sorted by `row`, with the columns of that row; groups of rows that hold none are passed over."""
    import numpy as np
    import pyarrow.parquet as pq

    wanted = rows["row"].to_numpy()
    with pq.ParquetFile(part, pre_buffer=False) as file:
        found = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        sizes = np.array([group.num_rows for group in found])
        ends = np.cumsum(sizes)
        groups = np.unique(np.searchsorted(ends, wanted, "right"))
        for run in _runs(groups.tolist(), [found[group].total_byte_size for group in groups]):
            # Where the rows of each group begin in the part, and among those of the run.
            begin, place = (ends - sizes)[run], np.cumsum(sizes[run]) - sizes[run]
            first, last = np.searchsorted(wanted, [begin[0], ends[run[-1]]])
            group = np.searchsorted(begin, wanted[first:last], "right") - 1
            (batch,) = file.read_row_groups(run, columns=list(types), use_threads=False).combine_chunks().to_batches()
            # Taken by Arrow, which copies: a view of one text would keep the whole group in memory.
            taken = batch.take(pl.Series(wanted[first:last] - begin[group] + place[group]).to_arrow())
            yield rows[first:last].hstack(from_arrow(taken, types))


def _runs(groups: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Groups that are read at once: as many as do not take more than `_BYTES`, or one that does."""
    run, total = list[int](), 0
    for group, size in zip(groups, sizes, strict=True):
        if run and total + size > _BYTES:
            yield run
            run, total = [], 0
        run.append(group)
        total += size
    if run:
        yield run


def digests(parts: Sequence[Path], places: Path) -> Iterator[pl.DataFrame]:
    """`part, row, digest` of the texts at `places`, by which answers of the same microsecond are put in order."""
    for rows in read_places(parts, places, ("text",)):
        yield rows.select("part", "row", digest=pl.Series([digest_of(text) for text in rows["text"]], dtype=pl.String))


def digest_of(text: str | None) -> str | None:
    return None if text is None else bytes_hash(text.encode())


def together(parts: Sequence[Path], limit: int) -> Iterator[list[Path]]:
    """Parts, oldest first, in groups that take at most `limit` bytes in memory."""
    import pyarrow.parquet as pq

    def sized() -> Iterator[tuple[int, Path]]:
        group = total = 0
        for part in sorted(parts, key=lambda p: (p.stat().st_mtime_ns, p.name)):
            found = pq.read_metadata(part)
            size = sum(found.row_group(i).total_byte_size for i in range(found.num_row_groups))
            total += size
            if total > limit:
                group, total = group + 1, size
            yield group, part

    for _, group in groupby(sized(), key=lambda pair: pair[0]):
        yield [part for _, part in group]

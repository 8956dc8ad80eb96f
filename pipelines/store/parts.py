"""Rows of a log's parts, read by their places: only what is wanted of a part is copied, only a piece of it is in memory."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import polars as pl

from pipelines.store.digests import bytes_hash
from pipelines.store.row_groups import batches, from_arrow
from schemas.completion import COMPLETION

_ROWS = 1024
"""Rows of a part that are decoded at once."""

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
                yield from _read_part(parts[int(str(number))], own, pl.Schema(types))


def _read_part(part: Path, rows: pl.DataFrame, types: pl.Schema) -> Iterator[pl.DataFrame]:
    """`rows`, sorted by `row`, with the columns of that row; groups of rows that hold none are passed over."""
    import pyarrow.parquet as pq

    wanted = rows["row"]
    with pq.ParquetFile(part, pre_buffer=False) as file:
        start = 0
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            if _between(wanted, start, end)[1]:
                for batch in file.iter_batches(_ROWS, row_groups=[group], columns=list(types)):
                    place, count = _between(wanted, start, start + batch.num_rows)
                    if count:
                        own = rows.slice(place, count)
                        # Taken by Arrow, which copies: a view of one text would keep the whole batch in memory.
                        taken = batch.take((own["row"] - start).to_arrow())
                        yield own.hstack(from_arrow(taken, types))
                    start += batch.num_rows
            start = end


def _between(rows: pl.Series, start: int, end: int) -> tuple[int, int]:
    """Where the rows from `start` to before `end` begin in a sorted column, and how many there are."""
    first, last = (int(rows.search_sorted(bound, "left")) for bound in (start, end))
    return first, last - first


def digests(parts: Sequence[Path], places: Path) -> pl.DataFrame:
    """`part, row, digest` of the texts at `places`, by which answers of the same microsecond are put in order."""
    found = [
        rows.select("part", "row", digest=pl.Series([digest_of(text) for text in rows["text"]], dtype=pl.String))
        for rows in read_places(parts, places, ("text",))
    ]
    return pl.concat([pl.DataFrame(schema=DIGESTS), *found])


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

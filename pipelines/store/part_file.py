"""A part: the file in which rows of a log lie for good, and the proof that it holds what was written.

    PAR1 | the bytes of each column of each row group | digests, their length, a mark | footer of parquet | PAR1

It is a parquet file as any other. The digests (JSON) have the SHA-256 of every column of every row group, and the name of a
part has the SHA-256 of all that follows the rows: `part-<model>-<hash>.parquet`, or `part-<hash>.parquet` in a folder of
one model. As in a git tree, the name vouches for the digests, and these for keys and values. So whoever reads a column, or a
few row groups, proves these alone: a build that needs a few answers of a large log need not read all of it, which one hash
over the file would ask for. The digests also say of which log and model the rows are: a part in the place of another is
damaged too. The rows of a part are of one model (`model_name`) and sorted by their keys.
"""

import io
import json
import os
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import polars as pl

from pipelines.store.digests import SHORT, bytes_hash, span_hash
from schemas.ids import content_id

LAYOUT = 1
"""Raised when what a part looks like changes; parts of another layout are set aside."""

_ENDS = b"PAR1"
_MARK = b"CURATE-1"


class DamagedError(Exception):
    """A part is not what was written. `why` is a clause; `word` names it in the name under which the part is kept."""

    def __init__(self, word: str, why: str) -> None:
        super().__init__(why)
        self.word, self.why = word, why


class Chunk(NamedTuple):
    """The bytes of one column of a row group."""

    column: str
    start: int
    size: int


def model_name(*facts: str) -> str:
    """What stands for a model in the names of its parts."""
    return content_id(list(facts))[:12]


def part_name(model: str, digest: str) -> str:
    return f"part-{model}-{digest}.parquet" if model else f"part-{digest}.parquet"


def seal(path: Path, of: str) -> str:
    """Put the digests of its columns into a parquet file of a log and model (`of`); returns the hash for its name."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        footer = _footer(file, size)
        groups = _groups(_metadata(footer))
        end = size - len(footer)
        if not _covers(groups, end):
            raise RuntimeError(f"the rows of {path} are not all of what lies before its footer")
        found = [[_digest(file, chunk) for chunk in chunks] for chunks in groups]
        digests = json.dumps({"layout": LAYOUT, "of": of, "sha256": found}, separators=(",", ":")).encode()
        tail = digests + struct.pack("<Q", len(digests)) + _MARK + footer
        file.seek(end)
        file.write(tail)
    return _hash(tail)


class Proof:
    """What the end of a part says of its rows, held to the part's name and to where it lies (`of`, as it was sealed).

    Raises DamagedError where that is not so.

    `rows` are the rows of each row group; `schema` is that of the table.
    """

    def __init__(self, path: Path, of: str) -> None:
        self._path = path
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if not size:
                raise DamagedError("empty", "it is empty")
            footer = _footer(file, size)
            tail, end = _sealed(file, size - len(footer))
            if path.stem.rpartition("-")[2] != _hash(tail + footer) or _read(file, 0, 4) != _ENDS:
                raise DamagedError("name", "what it holds is not what its name says")
        metadata = _metadata(footer)
        digests = json.loads(tail[: -len(_MARK) - 8])
        self._metadata, self._groups, self._digests = metadata, _groups(metadata), digests["sha256"]
        if digests["layout"] != LAYOUT or not _covers(self._groups, end):
            raise DamagedError("layout", "it was written by another edition of curate")
        if digests["of"] != of:
            raise DamagedError("place", "it is a part of another log or model")
        self.rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        self.schema = _schema(metadata)
        self._proven: set[tuple[int, int]] = set()

    def check(self, groups: Iterable[int] | None = None, columns: Collection[str] | None = None) -> None:
        """Hold row groups (None: all) to their digests, in some columns (None: in all). What was proven is not read again.

        Raises DamagedError, and FileNotFoundError where the part is gone.
        """
        todo = [
            (number, place, chunk)
            for number in (range(len(self._groups)) if groups is None else groups)
            for place, chunk in enumerate(self._groups[number])
            if (columns is None or chunk.column in columns) and (number, place) not in self._proven
        ]
        if not todo:
            return
        with self._path.open("rb") as file:
            for number, place, chunk in todo:
                if _digest(file, chunk) != self._digests[number][place]:
                    raise DamagedError("bytes", f"bytes of its column '{chunk.column}' have changed")
                self._proven.add((number, place))

    def unproven(self) -> list[int]:
        """The row groups of which some column was not proven yet."""
        return [
            number
            for number, chunks in enumerate(self._groups)
            if any((number, place) not in self._proven for place in range(len(chunks)))
        ]

    def around(self, column: str, values: Sequence[str]) -> list[int]:
        """The row groups that may hold one of these values (sorted), as the least and the greatest of each tell."""
        place = self.schema.names().index(column)
        found = []
        for number in range(len(self.rows)):
            known = self._metadata.row_group(number).column(place).statistics
            if (
                known is None
                or not known.has_min_max
                or bisect_left(values, known.min) < bisect_right(values, known.max)
            ):
                found.append(number)
        return found


def _footer(file: BinaryIO, size: int) -> bytes:
    """The footer of a parquet file with its length and the mark that ends it."""
    end = _read(file, max(0, size - 8), 8)
    length = int.from_bytes(end[:4], "little") + 8
    if end[4:] != _ENDS or length + 4 > size:
        raise DamagedError("cut", "it was cut short, or is no part of a log")
    return _read(file, size - length, length)


def _sealed(file: BinaryIO, end: int) -> tuple[bytes, int]:
    """The digests that lie before `end`, with their length and mark; and where they begin."""
    last = _read(file, max(0, end - 16), 16)
    start = end - 16 - int.from_bytes(last[:8], "little")
    if last[8:] != _MARK or start < len(_ENDS):
        raise DamagedError("digests", "it has no digests of its columns, so nobody can tell whether it is whole")
    return _read(file, start, end - start), start


def _metadata(footer: bytes) -> Any:
    import pyarrow.parquet as pq

    return pq.read_metadata(io.BytesIO(_ENDS + footer))


def _groups(metadata: Any) -> list[list[Chunk]]:
    groups = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(place) for place in range(group.num_columns)]
        groups.append([Chunk(c.path_in_schema.split(".")[0], _start(c), c.total_compressed_size) for c in columns])
    return groups


def _schema(metadata: Any) -> pl.Schema:
    found = pl.from_arrow(metadata.schema.to_arrow_schema().empty_table())
    assert isinstance(found, pl.DataFrame)
    return found.schema


def _start(column: Any) -> int:
    return int(column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset)


def _covers(groups: list[list[Chunk]], end: int) -> bool:
    """Whether the columns are all that lies between the first mark and `end`."""
    at = len(_ENDS)
    for chunk in (chunk for chunks in groups for chunk in chunks):
        if chunk.start != at:
            return False
        at += chunk.size
    return at == end


def _digest(file: BinaryIO, chunk: Chunk) -> str:
    return span_hash(file, chunk.start, chunk.size)[:SHORT]


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def _hash(data: bytes) -> str:
    return bytes_hash(data)[:SHORT]

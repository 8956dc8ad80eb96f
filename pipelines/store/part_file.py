"""A part: the file in which rows of a log lie for good, and the proof that it holds what was written.

    PAR1 | the bytes of each column of each row group | keys | digests, their length, a mark | footer of parquet | PAR1

It is a parquet file as any other. The keys (`pipelines.store.part_keys`) are those of its rows once more, in 16 bytes each:
whoever looks for keys reads these, and of the rows only what has one. The digests (JSON) have the SHA-256 of the keys and of
every column of every row group, and the name of a part has the SHA-256 of the digests and all that follows them:
`part-<model>-<hash>.parquet`, or `part-<hash>.parquet` in a folder of one model. As in a git tree, the name vouches for
the digests, and these for keys and values. So whoever reads a column, or a few row groups, proves these alone: a build that
needs a few answers of a large log need not read all of it, which one hash over the file would ask for. The digests also say
of which log and model the rows are: a part in the place of another is damaged too. The rows of a part are of one model
(`model_name`), and those of a row group are sorted by their keys.
"""

import io
import json
import os
import struct
from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import polars as pl

from pipelines.remote.places import copy_of
from pipelines.store.part_keys import Keys
from schemas.digests import SHORT, bytes_hash, span_hash
from schemas.ids import content_id

LAYOUT = 3
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


def seal(path: Path, of: str, keys: bytes = b"", replaces: Iterable[str] = ()) -> str:
    """Put keys and digests into a parquet file of a log and model (`of`); returns the hash for its name.

    `keys` are those of its rows, in their order, as `pack` gives them; it `replaces` the parts of these names.
    """
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        footer = _footer(file, size)
        metadata = _metadata(footer)
        groups = _groups(metadata)
        end = size - len(footer)
        if not _covers(groups, end):
            raise RuntimeError(f"the rows of {path} are not all of what lies before its footer")
        facts = {
            "layout": LAYOUT,
            "of": of,
            "shape": _shape(metadata),
            "rows": [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)],
            "keys": [len(keys), _hash(keys)],
            "replaces": list(replaces),
            "sha256": [[_digest(file, chunk) for chunk in chunks] for chunks in groups],
        }
        digests = json.dumps(facts, separators=(",", ":")).encode()
        tail = digests + struct.pack("<Q", len(digests)) + _MARK + footer
        file.seek(end)
        file.write(keys + tail)
    return _hash(tail)


class Proof:
    """What the end of a part says of its rows, held to the part's name and to where it lies (`of`, as it was sealed).

    Raises DamagedError where that is not so.

    `rows` are the rows of each row group; parts of the same `shape` have the same columns; `replaces` are names of parts
    whose rows it holds.
    """

    def __init__(self, path: Path, of: str) -> None:
        self._path = path
        with opened(path) as file:
            size = file.seek(0, os.SEEK_END)
            if not size:
                raise DamagedError("empty", "it is empty")
            footer = _footer(file, size)
            tail, start = _sealed(file, size - len(footer))
            if path.stem.rpartition("-")[2] != _hash(tail + footer) or _read(file, 0, 4) != _ENDS:
                raise DamagedError("name", "what it holds is not what its name says")
        facts = json.loads(tail[: -len(_MARK) - 8])
        if facts["layout"] != LAYOUT:
            raise DamagedError("layout", "it was written by another edition of curate")
        if facts["of"] != of:
            raise DamagedError("place", "it is a part of another log or model")
        self.rows: list[int] = facts["rows"]
        self.shape: str = facts["shape"]
        self.replaces: list[str] = facts["replaces"]
        self._digests: list[list[str]] = facts["sha256"]
        size, self._keys_digest = facts["keys"]
        self._keys = Chunk("keys", start - size, size)
        self._keys_proven = False
        self._proven: set[tuple[int, int]] = set()

    @cached_property
    def _metadata(self) -> Any:
        """The footer, which the name vouches for as well: where it was sealed, its columns were all that lay before it."""
        with opened(self._path) as file:
            return _metadata(_footer(file, file.seek(0, os.SEEK_END)))

    @property
    def schema(self) -> pl.Schema:
        """The columns of the table."""
        return _schema(self._metadata)

    def keys(self) -> Keys | None:
        """The keys of all rows, as they were written; None where they are no content ids.

        Raises DamagedError, and FileNotFoundError where the part is gone.
        """
        if not self._keys.size:
            return None
        with opened(self._path) as file:
            data = _read(file, self._keys.start, self._keys.size)
        if not self._keys_proven and _hash(data) != self._keys_digest:
            raise DamagedError("keys", "bytes of its keys have changed")
        self._keys_proven = True
        return Keys.read(data)

    def check(self, groups: Iterable[int] | None = None, columns: Collection[str] | None = None) -> None:
        """Hold row groups (None: all) to their digests, in some columns (None: in all). What was proven is not read again.

        All of a part are its keys, too. Raises DamagedError, and FileNotFoundError where the part is gone.
        """
        if columns is not None and not columns:
            return
        if groups is None and columns is None and not self._keys_proven:
            self.keys()
        todo = [
            (number, place, chunk)
            for number in (range(len(self.rows)) if groups is None else groups)
            for place, chunk in enumerate(_chunks(self._metadata.row_group(number)))
            if (columns is None or chunk.column in columns) and (number, place) not in self._proven
        ]
        if not todo:
            return
        if (copy := copy_of(self._path)) is not None:
            copy.fetch(self._path)
        with self._path.open("rb") as file:
            for number, place, chunk in todo:
                if _digest(file, chunk) != self._digests[number][place]:
                    raise DamagedError("bytes", f"bytes of its column '{chunk.column}' have changed")
                self._proven.add((number, place))

    def groups_of(self, rows: Any) -> list[int]:
        """The row groups that hold these rows (an array of their numbers)."""
        import numpy as np

        return [int(number) for number in np.unique(np.searchsorted(np.cumsum(self.rows), rows, "right"))]


def opened(path: Path) -> BinaryIO:
    """A part to read pieces of it: here, or in the object store where it lies."""
    copy = copy_of(path)
    return path.open("rb") if copy is None or path.is_file() else copy.opened(path)


def size_of(path: Path) -> int:
    """The bytes of a part, here or in the object store where it lies. Raises FileNotFoundError."""
    copy = copy_of(path)
    there = None if copy is None or path.is_file() else copy.size(path)
    return path.stat().st_size if there is None else there


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
    return [_chunks(metadata.row_group(number)) for number in range(metadata.num_row_groups)]


def _chunks(group: Any) -> list[Chunk]:
    columns = (group.column(place) for place in range(group.num_columns))
    return [Chunk(c.path_in_schema.split(".")[0], _start(c), c.total_compressed_size) for c in columns]


def _schema(metadata: Any) -> pl.Schema:
    return pl.Schema(metadata.schema.to_arrow_schema())


def _shape(metadata: Any) -> str:
    return content_id([[name, str(dtype)] for name, dtype in _schema(metadata).items()])


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

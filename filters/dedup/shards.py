"""A set that is searched shard by shard: never more rows in an index than memory has been given for.

Rows come from best to worst. Those of the first shard are compared with each other and all later ones with them; then the
shard goes, and the next one is filled. Whatever the number of shards, the same rows are compared with each other, so memory
decides how long a search takes and nothing of what it finds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filters.dedup.device_index import gpu_memory
from filters.dedup.index import Choice, RangeReader
from filters.dedup.lists import Lists
from filters.dedup.vectors import Floats, Ints

Filled = Callable[[Any, Ints], None]
"""Gets an index that will receive no more rows, and the rows in it."""


@dataclass(frozen=True)
class Room:
    """What a search may take: so many `bytes` of memory for vectors (None: what all of them need), and space in a folder."""

    bytes: int | None = None
    folder: Path | None = None

    def rows(self, choice: Choice) -> int:
        """How many rows an index may hold. A GPU has its own memory; an HNSW cannot be cut."""
        if choice.gpu:
            return gpu_memory() // (2 * choice.dim)
        if self.bytes is None or choice.kind == "hnsw":
            return choice.rows
        return self.bytes // (4 * choice.dim if choice.kind == "exact" else _GROWN * choice.dim + _ID)


EVERYTHING = Room()

_GROWN = 3
"""Bytes of a number in a list that grows: two, and the space that lists get in advance."""

_ID = 16
"""Bytes of a stored row's number."""


@dataclass(frozen=True)
class Shards:
    """How a set is searched: `make` gives an empty index for at most `rows` rows; `lists`, those that rows probe."""

    make: Callable[[], Any]
    rows: int
    lists: Lists | None = None
    filled: Filled = lambda index, stored: None


class Shard:
    """One index of a set, and what it takes to fill it and to search it."""

    def __init__(self, shards: Shards, radius: float) -> None:
        self.index = shards.make()
        self._lists = shards.lists
        self._reader = RangeReader(self.index, radius)

    def add(self, places: Ints, vectors: Floats) -> None:
        """Put rows in; they get the next numbers."""
        self.index.add(vectors, *self._probed(places, vectors))

    def near(self, places: Ints, vectors: Floats) -> Iterator[tuple[Ints, Ints]]:
        """`(query, found)`: pairs above the radius, of rows at `places` and numbers of stored ones, as they are found."""
        return self._reader.parts(vectors, *self._probed(places, vectors))

    def _probed(self, places: Ints, vectors: Floats) -> tuple[Ints, ...]:
        return () if self._lists is None else (self._lists.of(places, vectors),)

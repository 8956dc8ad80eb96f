"""The keys of a part in 16 bytes each, beside its rows: which rows have a wanted key is known without reading a column.

Keys of logs are content ids, 32 hexadecimal digits. A part of other keys has none of this, and its column is read.
"""

from typing import Any, NamedTuple, Self

import polars as pl

WIDTH = 16
"""Bytes of a key."""

_ID = "^[0-9a-f]{32}$"


class Keys(NamedTuple):
    """Keys as numbers, two arrays of uint64: the first 16 digits of each, and the other 16."""

    high: Any
    low: Any

    @classmethod
    def of(cls, ids: pl.Series) -> Self:
        """Those of content ids. Raises polars' error for another text."""
        halves = (
            ids.str.slice(at, WIDTH).str.to_integer(base=16, dtype=pl.UInt64, strict=True).to_numpy()
            for at in (0, WIDTH)
        )
        return cls(*halves)

    @classmethod
    def read(cls, data: bytes) -> Self:
        """What `pack` wrote."""
        import numpy as np

        halves = np.frombuffer(data, dtype="<u8").reshape(2, -1)
        return cls(halves[0], halves[1])


def are_ids(keys: pl.Series) -> bool:
    return keys.dtype == pl.String and bool(keys.str.contains(_ID).fill_null(value=False).all())


def pack(keys: pl.Series) -> bytes:
    """Keys in their order, WIDTH bytes each; nothing where they are not all content ids."""
    if not are_ids(keys):
        return b""
    return b"".join(half.astype("<u8").tobytes() for half in Keys.of(keys))


class Wanted:
    """Keys that are looked for in many parts."""

    def __init__(self, keys: pl.Series) -> None:
        self.keys = keys.unique()
        self._ids = self.keys.filter(self.keys.str.contains(_ID)).sort()
        self._sought, self._none = Keys.of(self._ids), self._ids.head(0)

    def found(self, held: Keys) -> tuple[Any, pl.Series]:
        """The rows (an array of their numbers, ascending) whose key is wanted, and the keys of these rows."""
        import numpy as np

        high, low = self._sought
        if not len(high):
            return np.zeros(0, np.int64), self._none
        at = np.searchsorted(high, held.high)
        rows = np.flatnonzero(high.take(at, mode="clip") == held.high)
        at = at[rows]
        # Of several that begin alike, the one that goes on alike.
        while (behind := (high[at] == held.high[rows]) & (low[at] < held.low[rows])).any():
            at = at + behind
            inside = at < len(high)
            rows, at = rows[inside], at[inside]
        if not len(rows):
            return rows, self._none
        same = (high[at] == held.high[rows]) & (low[at] == held.low[rows])
        return rows[same], self._ids.gather(at[same])

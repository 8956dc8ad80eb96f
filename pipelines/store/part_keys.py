"""The keys of a part in 16 bytes each, beside its rows: which rows have a wanted key is known without reading a column.

Keys of logs are content ids, 32 hexadecimal digits, or SHA-256, of which the first 32 of 64 digits tell two apart. A part of
other keys has none of this, and its column is read.
"""

from typing import Any, NamedTuple, Self

import polars as pl

WIDTH = 16
"""Bytes of a key."""

_ID = "^(?:[0-9a-f]{32}){1,2}$"


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
    """Whether they are all ids, of one kind."""
    if keys.dtype != pl.String or not keys.str.contains(_ID).fill_null(value=False).all():
        return False
    return keys.str.len_bytes().n_unique() <= 1


def pack(keys: pl.Series) -> bytes:
    """Keys in their order, WIDTH bytes each; nothing where they are not all content ids."""
    if not are_ids(keys):
        return b""
    return b"".join(half.astype("<u8").tobytes() for half in Keys.of(keys))


class Places(NamedTuple):
    """Rows of a part, by their numbers (ascending), and which of the wanted keys each has: two arrays of int64."""

    rows: Any
    keys: Any


class Wanted:
    """Keys that are looked for in many parts: ids in their order, and after them what is no id."""

    def __init__(self, keys: pl.Series) -> None:
        import numpy as np

        is_id = keys.str.contains(_ID)
        self.keys = keys.filter(is_id).unique().sort().append(keys.filter(~is_id).unique())
        self._sought = Keys.of(self.keys.head(keys.filter(is_id).n_unique()))
        # Most keys of a log are told from all that are wanted by how they begin: one look at a table of beginnings.
        self._shift = 64 - min(24, max(10, len(self._sought.high).bit_length() + 6))
        self._begin = np.zeros(1 << (64 - self._shift), dtype=bool)
        self._begin[self._sought.high >> self._shift] = True

    def found(self, held: Keys) -> Places:
        """The rows whose key is wanted, of a part that has these."""
        import numpy as np

        high, low = self._sought
        rows = np.flatnonzero(self._begin[held.high >> self._shift])
        if not len(rows):
            return Places(rows, rows)
        at = np.searchsorted(high, held.high[rows])
        same = high.take(at, mode="clip") == held.high[rows]
        rows, at = rows[same], at[same]
        # Of several that begin alike, the one that goes on alike.
        while (behind := (high[at] == held.high[rows]) & (low[at] < held.low[rows])).any():
            at = at + behind
            inside = at < len(high)
            rows, at = rows[inside], at[inside]
        same = (high[at] == held.high[rows]) & (low[at] == held.low[rows])
        return Places(rows[same], at[same])

    def found_among(self, held: pl.Series) -> Places:
        """The same, of a part whose keys are no ids."""
        wanted = pl.DataFrame({"key": self.keys}).with_row_index("at")
        found = held.to_frame("key").with_row_index("row").join(wanted, on="key", maintain_order="left")
        return Places(*(found[name].cast(pl.Int64).to_numpy() for name in ("row", "at")))

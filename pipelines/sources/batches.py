"""Rows on their way out of DuckDB: what each weighs, which is too large, and batches cut by their bytes.

A row of a few bytes on disk may hold gigabytes once it is unpacked, and a thousand rows with an image each may, too. So
the bytes of a row's values are added up before they leave DuckDB; of a row that is larger than may be nothing leaves it
but that number, and a batch ends where its rows would weigh more than `BATCH_BYTES`. Where it ends depends on the rows
alone, never on the machine.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipelines.sources.unpacking import Allowance
from pipelines.store.memory import Memory
from schemas.errors import ConfigError

BATCH_BYTES = 64 << 20
"""Bytes of a batch's values; a row that is larger is a batch by itself."""

WEIGHT = "weight"
TOO_LARGE = "too_large"

FETCHED = 64
"""Rows that are fetched at once: few, because nobody knows beforehand what they weigh."""
MORE = (
    "Give it more with the recipe's `ingest: {memory: …}`, of which reading gets half, or make the row groups of its "
    "parquet files smaller."
)
_ROW = '"row"'
_WEIGH = "curate_weigh"
_NAME = 200
"""Characters that are kept of the name of a row that is too large."""


@dataclass(frozen=True)
class Bounds:
    """What reading a source may take: `memory` in bytes, and how many bytes one row may hold."""

    memory: int = field(default_factory=lambda: Memory().bytes)
    max_row: int = 128 << 20


class Scale:
    """Weighs the rows of a query as DuckDB makes them, up to 2,048 at once, before it copies them to hand them out: those of
    a parquet file with one long text for all rows are small until then. `fault` is what was found wrong."""

    def __init__(self, connection: Any, what: str, bounds: Bounds, allowance: Allowance | None) -> None:
        self.fault: ConfigError | None = None
        self._what = what
        self._bounds = bounds
        self._allowance = allowance
        self._recent: deque[tuple[int, int]] = deque()
        options = {"type": "arrow", "side_effects": True, "null_handling": "special"}
        connection.create_function(_WEIGH, self._weigh, ["BIGINT"], "BIGINT", **options)

    def query(self, rows: Any) -> str:
        """The query of a relation with `WEIGHT` (the bytes of a row's values) and `TOO_LARGE` (the same, where they are more
        than a row may hold; then the values are null)."""
        named = [(f'"{name}"', kind) for name, kind in zip(rows.columns, rows.types, strict=True)]
        weight = " + ".join(f"coalesce({_bytes(name, kind)}, 0)" for name, kind in named)
        large = f"{WEIGHT} > {self._bounds.max_row}"
        others = {_ROW: f"left({_ROW}, {_NAME})"}
        kept = [f"CASE WHEN {large} THEN {others.get(name, 'NULL')} ELSE {name} END AS {name}" for name, _ in named]
        return (
            f"SELECT {', '.join(kept)}, CASE WHEN {large} THEN {WEIGHT} END AS {TOO_LARGE}, "
            f"CASE WHEN {large} THEN 0 ELSE {WEIGHT} END AS {WEIGHT} "
            f"FROM (SELECT *, {_WEIGH}(CAST({weight} AS BIGINT)) AS {WEIGHT} FROM ({rows.sql_query()}))"
        )

    def _weigh(self, weights: Any) -> Any:
        total = sum(weight for weight in weights.to_pylist() if weight <= self._bounds.max_row)
        self._recent.append((len(weights), total))
        while sum(count for count, _ in self._recent) - self._recent[0][0] >= FETCHED:
            self._recent.popleft()
        held = sum(each for _, each in self._recent)
        try:
            if self._allowance is not None:
                self._allowance.take(total)
            if held > self._bounds.memory // 2:
                raise ConfigError(
                    f"{self._what} holds {held >> 20:,} MiB in rows that are read at once, and there is room for "
                    f"{self._bounds.memory >> 21:,} MiB. {MORE}"
                )
        except ConfigError as error:
            self.fault = error
            raise
        return weights


def cut(records: Iterable[Any], rows: int) -> Iterator[pl.DataFrame]:
    """Record batches with a column `WEIGHT` as tables without it, of at most `rows` rows and `BATCH_BYTES`."""
    import pyarrow as pa

    held: list[Any] = []
    count = weight = 0
    for record in records:
        start = 0
        for place, one in enumerate(record.column(WEIGHT).to_pylist()):
            if count and (count == rows or weight + one > BATCH_BYTES):
                held.append(record.slice(start, place - start))
                table, held, start, count, weight = pa.Table.from_batches(held), [], place, 0, 0
                yield pl.DataFrame(pl.from_arrow(table)).drop(WEIGHT)
            count, weight = count + 1, weight + one
        held.append(record.slice(start))
    if count:
        yield pl.DataFrame(pl.from_arrow(pa.Table.from_batches(held))).drop(WEIGHT)


def _bytes(value: str, kind: Any, depth: int = 0) -> str:
    """The bytes of a value of a DuckDB type, as SQL; an item of a list takes 16 more, however small it is."""
    if kind.id == "varchar":
        return f"strlen({value})"
    if kind.id == "blob":
        return f"octet_length({value})"
    if kind.id in ("list", "array"):
        item = f"x{depth}"
        items = f"list_transform({value}, lambda {item}: coalesce({_bytes(item, kind.children[0][1], depth + 1)}, 0))"
        return f"(coalesce(list_sum({items}), 0) + 16 * len({value}))"
    if kind.id == "struct":
        parts = (_bytes(f"{value}['{name}']", inner, depth) for name, inner in kind.children)
        return "(" + " + ".join(f"coalesce({part}, 0)" for part in parts) + ")"
    return "8"

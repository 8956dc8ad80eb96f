"""Sources that make their rows in Python: they hand DuckDB a schema first and a stream of record batches later."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

BATCH = 1024


def declare(connection: Any, schema: Any) -> None:
    """Make `raw` an empty table with the columns of a pyarrow schema, so that a SELECT can be checked."""
    connection.register("raw", schema.empty_table())


def stream(connection: Any, schema: Any, batches: Iterable[Any]) -> None:
    """Replace `raw` by a stream of record batches of that schema; it can be scanned once."""
    import pyarrow as pa

    connection.unregister("raw")
    connection.register("raw", pa.RecordBatchReader.from_batches(schema, batches))


def batches(rows: Iterable[Mapping[str, Any]], schema: Any, size: int = BATCH) -> Iterator[Any]:
    """Cut a stream of plain rows into record batches, holding one batch at a time."""
    import pyarrow as pa

    stream_of_rows = iter(rows)
    while chunk := list(islice(stream_of_rows, size)):
        yield pa.RecordBatch.from_pylist(chunk, schema=schema)


def text_schema(names: Sequence[str], **others: Any) -> Any:
    """A pyarrow schema of text columns, followed by `others` (name and pyarrow type)."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in names] + list(others.items()))

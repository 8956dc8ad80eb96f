"""Reading a source: its SELECT, checked before anything runs, then streamed in batches.

How a limit takes rows: of a source that is cheap to read whole (local tables of at most 256 MiB, the easy-VQA
package, up to 5,000 scenes) those n whose hash of seed and content is lowest, so the choice is spread over the source,
does not depend on the order of rows, and changes little when rows are added; of any other source the first n. Without a
limit every row is taken.
"""

import re
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from filters.sql.engine import literal
from pipelines.sources.batches import FETCHED, MORE, Bounds, Scale, cut
from pipelines.sources.columns import nearest, projection, settled
from pipelines.sources.schemas import statement
from pipelines.sources.section import SourceSection
from pipelines.sources.stored import stored_bytes
from pipelines.sources.unpacking import Allowance
from pipelines.store.interruptible import batches, finished
from pipelines.store.read_only_sql import connect, lock, only_select
from schemas.errors import ConfigError
from schemas.ids import content_id

READ_VERSION = 4
"""Raised when the same source is read into other rows; every build then ingests again."""

_ORDER = """md5(concat_ws(chr(31), {salt}, question, answer, kind, CAST(options AS VARCHAR), verifier_params,
    CAST(list_transform(images, lambda x: coalesce(md5(x.bytes), x.path)) AS VARCHAR),
    CASE WHEN images_text IS NOT NULL THEN CAST([images_text] AS VARCHAR) END, options_text, conversation))"""


def fingerprint(source: SourceSection) -> str:
    """32 hex digits that change when the source's section or its data change. Reads sizes and times, never the data."""
    return content_id({"version": READ_VERSION, "section": source.model_dump(mode="json"), "data": source.stamp()})


def check_source(source: SourceSection, bounds: Bounds | None = None) -> dict[str, str]:
    """The columns (name → DuckDB type) that the SELECT gives. Raises the ConfigError that reading would."""
    with _connected(source, bounds or Bounds()) as connection:
        columns = _describe(connection, source, _inner(connection, source))
        projection(source.name, columns, selected=source.select is not None, kept=source.columns)
        return columns


def count_rows(source: SourceSection, limit: int | None = None, bounds: Bounds | None = None) -> int | None:
    """How many rows a source gives at most, without keeping any; None where they would have to be fetched to be counted.

    Raises ConfigError as `check_source` does.
    """
    limits = [n for n in (source.limit, limit) if n is not None]
    plain = source.select is None and source.schema is None
    found = source.length() if plain else None
    if found is None and not source.is_far():
        with _connected(source, bounds or Bounds()) as connection:
            inner = _inner(connection, source)
            _describe(connection, source, inner)
            source.feed(connection)
            count = f"SELECT count(*) FROM ({inner}\n)"
            found = int(finished(connection, lambda: connection.execute(count).fetchone())[0])
    return min([n for n in (found, *limits) if n is not None], default=None)


def read_rows(
    source: SourceSection,
    *,
    limit: int | None = None,
    seed: int = 0,
    batch: int = 1024,
    bounds: Bounds | None = None,
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a source as tables of schema `ROW`, at most `batch` rows and `BATCH_BYTES` each.

    Raises ConfigError for a missing file, a broken SELECT, a missing column, data that DuckDB cannot read, or not within
    `bounds`, and files that unpack to more than `pipelines.sources.unpacking` allows.
    """
    import duckdb
    import pyarrow as pa

    limits = [n for n in (source.limit, limit) if n is not None]
    bounds = bounds or Bounds()
    with _connected(source, bounds) as connection:
        inner = _inner(connection, source)
        columns = _describe(connection, source, inner)
        listed = projection(source.name, columns, selected=source.select is not None, kept=source.columns)
        source.feed(connection)
        packed = [*map(stored_bytes, source.files())]
        allowance = Allowance(f"Source '{source.name}'", sum(packed)) if packed else None
        scale = Scale(connection, f"Source '{source.name}'", bounds, allowance)
        query = scale.query(connection.sql(f"SELECT {listed} FROM ({inner}\n)"))
        if limits:
            query = _bounded(query, min(limits), f"{seed}:{source.name}", source.is_small())
        try:
            for rows in cut(batches(connection, lambda: connection.sql(query).to_arrow_reader(FETCHED)), batch):
                yield settled(rows)
        except (duckdb.Error, pa.ArrowException, OSError):
            if scale.fault is not None:
                raise scale.fault from None
            raise


def _bounded(query: str, limit: int, salt: str, by_hash: bool) -> str:
    if not by_hash:
        return f"{query} LIMIT {limit}"
    numbered = f"SELECT *, row_number() OVER () AS number FROM ({query})"
    order = _ORDER.format(salt=literal(salt))
    picked = f"SELECT * FROM ({numbered}) ORDER BY {order}, number LIMIT {limit}"
    return f"SELECT * EXCLUDE (number) FROM ({picked}) ORDER BY number"


def _inner(connection: Any, source: SourceSection) -> str:
    """The SELECT over `raw`: the recipe's own, its schema's, or all of it."""
    if source.schema is not None:
        streamed = type(source).feed is not SourceSection.feed
        return statement(source.name, source.schema, _columns(connection), streamed=streamed)
    text = (source.select or "SELECT * FROM raw").strip().rstrip(";")
    if not re.match(r"(--[^\n]*\n|\s)*(SELECT|WITH|FROM)\b", text, re.IGNORECASE):
        raise ConfigError(f"Source '{source.name}': 'select' must be a DuckDB SELECT, not '{text[:40]}'.")
    return only_select(text, f"Source '{source.name}': 'select'", ["raw"])


def _columns(connection: Any) -> list[str]:
    return [name for name, *_ in connection.execute("DESCRIBE SELECT * FROM raw").fetchall()]


def _describe(connection: Any, source: SourceSection, inner: str) -> dict[str, str]:
    import duckdb

    try:
        found = connection.execute(f"DESCRIBE SELECT * FROM ({inner}\n)").fetchall()
    except duckdb.Error as error:
        words = _sentence(error, _columns(connection))
        raise ConfigError(f"Source '{source.name}': 'select' does not work: {words}") from error
    return {name: kind for name, kind, *_ in found}


@contextmanager
def _connected(source: SourceSection, bounds: Bounds) -> Iterator[Any]:
    """A DuckDB connection with the table `raw`; its errors become one sentence that names the source."""
    import duckdb
    import pyarrow as pa

    with tempfile.TemporaryDirectory(prefix="curate-source-") as scratch, connect(bounds.memory) as connection:
        try:
            source.attach(connection, Path(scratch))
            lock(connection, spill=Path(scratch), files=source.files(), folders=[Path(scratch)])
            yield connection
        except duckdb.OutOfMemoryException as error:
            raise ConfigError(
                f"Source '{source.name}' cannot be read in {bounds.memory >> 20:,} MiB of memory: {_sentence(error, [])} "
                f"{MORE}"
            ) from error
        except (duckdb.Error, pa.ArrowException, OSError, EOFError, zlib.error) as error:
            raise ConfigError(f"Source '{source.name}' cannot be read: {_sentence(error, [])}") from error


def _sentence(error: Exception, columns: list[str]) -> str:
    """The first line of DuckDB's message; for an unknown column, the nearest ones that exist."""
    import duckdb

    words = str(error)
    if "CSV Error" in words and ("unicode" in words.lower() or "utf-8" in words.lower()):
        place = words.strip().split("\n")[0].removeprefix("Invalid Input Error: ").rstrip(".!")
        return f"{place} is not UTF-8; name the file's 'encoding', such as latin-1 or cp1252."
    line = words.strip().split("\n")[0].rstrip(".!")
    if isinstance(error, duckdb.BinderException) and "not found in FROM" in line and line.count('"') >= 2:
        wanted = line.split('"')[1]
        return f"there is no column '{wanted}' in raw; {nearest(wanted, columns)}."
    return f"{line}."

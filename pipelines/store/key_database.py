"""DuckDB over tables of keys, of which there may be more than memory holds: within the budget, and failing in sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filters.sql.engine import literal, open_database, words
from pipelines.store.memory import Memory
from pipelines.store.workspace import replacing
from schemas.errors import StoreError


@contextmanager
def key_database(of: Path, memory: Memory, folder: Path) -> Iterator[Any]:
    """A connection for keys of `of`, with `folder` for what does not fit into memory.

    Raises StoreError where neither is enough.
    """
    import duckdb

    limits = {"memory_limit": f"{memory.engine}B", "threads": memory.threads, "temp_directory": str(folder / "duckdb")}
    with open_database(**limits) as db:
        db.execute("SET enable_progress_bar = false")
        try:
            yield db
        except duckdb.OutOfMemoryException as error:
            more = max(1, memory.bytes >> 29)
            raise StoreError(
                f"The keys in {of} need more memory than the {memory.engine >> 20} MB that DuckDB has, half of the budget. "
                f"Raise it, for example with --set driver.memory={more}GB."
            ) from error
        except duckdb.IOException as error:
            raise StoreError(f"The keys in {of} cannot be read or sorted: {words(error)}.") from error


def copy_to(db: Any, query: str, out: Path) -> None:
    """Write the rows of a query as a table, atomically."""
    with replacing(out) as temporary:
        db.execute(f"COPY ({query}) TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION zstd)")

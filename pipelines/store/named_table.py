"""Tables whose names say what they hold: `<name>-<hash>.parquet`, where the hash is that of the file.

For what is written once and read by others than who wrote it, outside of the logs and of the record of a build.
"""

import uuid
from pathlib import Path

import polars as pl

from pipelines.store.digests import SHORT, file_hash
from pipelines.store.workspace import reading, settle, store_errors, write_table


def put_named(table: pl.DataFrame | pl.LazyFrame, folder: Path, name: str) -> Path:
    """Write a table into a folder and return its path."""
    hidden = folder / f".{name}-{uuid.uuid4().hex}.tmp"
    with store_errors(folder):
        try:
            write_table(table, hidden)
            path = folder / f"{name}-{file_hash(hidden)[:SHORT]}.parquet"
            settle(hidden, path)
        finally:
            hidden.unlink(missing_ok=True)
    return path


def is_named(path: Path) -> bool:
    """Whether a table is there and is what its name says. StoreError where no file can be read."""
    try:
        with reading(path):
            return file_hash(path)[:SHORT] == path.stem.rpartition("-")[2]
    except OSError:
        return False


def named(folder: Path, name: str) -> list[Path]:
    """The tables of that name, whole or not."""
    return sorted(folder.glob(f"{name}-*.parquet"))

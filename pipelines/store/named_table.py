"""Tables whose names say what they hold: `<name>-<hash>.parquet`, where the hash is that of the file.

For what is written once and read by others than who wrote it, outside of the logs and of the record of a build.
"""

import uuid
from pathlib import Path

import polars as pl

from pipelines.remote.places import copy_of
from pipelines.store.workspace import reading, settle, store_errors, write_table
from schemas.digests import SHORT, file_hash


def put_named(table: pl.DataFrame | pl.LazyFrame, folder: Path, name: str, *, keep: bool = True) -> Path:
    """Write a table into a folder and return its path. One that is not to `keep` stays on this machine."""
    hidden = folder / f".{name}-{uuid.uuid4().hex}.tmp"
    with store_errors(folder):
        try:
            write_table(table, hidden)
            path = folder / f"{name}-{file_hash(hidden)[:SHORT]}.parquet"
            copy = copy_of(path) if keep else None
            if copy is not None:
                copy.owe(path)
            settle(hidden, path)
            if copy is not None:
                copy.pay()
        finally:
            hidden.unlink(missing_ok=True)
    return path


def is_named(path: Path) -> bool:
    """Whether a table is there and is what its name says. StoreError where no file can be read."""
    try:
        copy = copy_of(path)
        if copy is not None:
            copy.fetch(path)
        with reading(path):
            return file_hash(path)[:SHORT] == path.stem.rpartition("-")[2]
    except OSError:
        return False


def named(folder: Path, name: str) -> list[Path]:
    """The tables of that name, whole or not."""
    here, copy = folder.glob(f"{name}-*.parquet"), copy_of(folder)
    if copy is None:
        return sorted(here)
    return copy.both(folder, here, lambda file: file.startswith(f"{name}-") and file.endswith(".parquet"))

"""The locked DuckDB that runs a recipe's SQL: one thread, no file, no network, no extension, no setting; in memory, but for
what a step of all rows sorts, joins or groups (`spilling`)."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

MEMORY = 2 << 30
"""Bytes that DuckDB may take for sorts, joins and groups of a bucket. Rows lie outside of it, and so do texts and lists
while a function makes them, which is why `sizes` refuses the functions that make a large one from a small number."""

_SPILLING: ContextVar[Callable[[], Any] | None] = ContextVar("spilling", default=None)

_ODD = re.compile(r"\b(INTERVAL|BIT|UNION|VARIANT|BIGNUM|GEOMETRY|TIME WITH TIME ZONE|TIMETZ)\b")
_KINDS: Mapping[pl.DataType, str] = {
    pl.String(): "VARCHAR",
    pl.Boolean(): "BOOLEAN",
    pl.Int32(): "INTEGER",
    pl.Int64(): "BIGINT",
    pl.Float64(): "DOUBLE",
}
_WHOLE = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)


@contextmanager
def spilling(folder: Path, memory: int) -> Iterator[None]:
    """Give the SQL of the block so many bytes, instead of `MEMORY`, and a folder for sorts, joins and groups of more."""
    opened = cache(lambda: _locked(str(folder), memory))
    token = _SPILLING.set(opened)
    try:
        yield
    finally:
        _SPILLING.reset(token)
        if opened.cache_info().currsize:
            opened().close()


def run(sql: str, tables: Mapping[str, pl.DataFrame], *, strict: bool = False) -> pl.DataFrame:
    """The rows of a SELECT over `tables`, which go by their names.

    One thread, so that rows come in one order and floats are added in it. Whole numbers come as Int64, others as
    Float64 (a literal such as `0.5` is a DECIMAL in DuckDB, and a sum of integers a HUGEINT). A whole number of more than 64
    bits comes as null or, where `strict`, raises ValueError. Raises `duckdb.Error`.
    """
    with _current().cursor() as cursor:
        written = dict[str, str]()
        for name, table in tables.items():
            if sql.startswith("SELECT") and _is_null(table) and (columns := _columns(table)):
                written[name] = f"SELECT {columns} LIMIT {table.height}"
            else:
                cursor.register(name, table.to_arrow())
        named = ", ".join(f"{quoted(name)} AS ({select})" for name, select in written.items())
        cursor.execute(f"WITH {named} {sql}" if named else sql)
        kinds = [str(column[1]) for column in cursor.description]
        if odd := next((kind for kind in kinds if _ODD.search(kind)), None):
            raise ValueError(f"gives {odd}, which tables do not hold; cast it to a text or a number")
        found = cursor.pl()
    plain = _plain(found)
    if strict and any(plain[name].null_count() > found[name].null_count() for name in plain.columns):
        raise ValueError("gives a whole number of more than 64 bits; cast it to DOUBLE")
    return plain


def ask(function: str, text: str) -> Any:
    """What a function of DuckDB says of a text. As a literal: for a parameter DuckDB would import pandas, half a second."""
    with _database(os.getpid()).cursor() as cursor:
        return cursor.execute(f"SELECT {function}({literal(text)})").fetchone()[0]


def fetch(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query about DuckDB itself."""
    with _database(os.getpid()).cursor() as cursor:
        rows: list[tuple[Any, ...]] = cursor.execute(sql).fetchall()
        return rows


DESCRIPTORS = 2
"""Files that a new database opens, measured: with none left it ends the process."""


def words(error: Exception) -> str:
    """What DuckDB says, in one line, without the kind of error and the advice that its own prompt gives."""
    line = str(error).strip().split("\n")[0].split(" You might need")[0].split('. Use "SET')[0]
    head, _, rest = line.partition(" Error: ")
    return (rest if rest and head.replace(" ", "").isalpha() else line).rstrip(".!")


def too_much(error: Exception) -> str:
    """What SQL lacks, as the end of a sentence about it."""
    full = "temp_directory_size" in str(error) or "No space left" in str(error)
    return "needs more space than the disk of the build has" if full else "needs more memory than SQL of a recipe gets"


def quoted(name: str) -> str:
    """A name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def open_database(**settings: Any) -> Any:
    """A DuckDB in memory that fetches no extension and sees no variable of this program: the one way to open one for SQL
    that may be somebody else's. `settings` are further ones."""
    import duckdb

    _check_descriptors()
    closed = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
    }
    database = duckdb.connect(config={**closed, **settings})
    database.execute("SET enable_progress_bar = false")  # it would be printed among what a command prints
    return database


def _check_descriptors() -> None:
    """Raise OSError where fewer files than DuckDB needs can be opened: it would end the process (`std::terminate`)."""
    held: list[int] = []
    try:
        held += (os.open(os.devnull, os.O_RDONLY) for _ in range(DESCRIPTORS))
    finally:
        for descriptor in held:
            os.close(descriptor)


def _current() -> Any:
    """The database of the process, or that of `spilling`."""
    opened = _SPILLING.get()
    return _database(os.getpid()) if opened is None else opened()


@cache
def _database(process: int) -> Any:
    """One database a process: opening one takes longer than typing a condition, and a fork must not share it."""
    return _locked("", MEMORY)


def _locked(spill: str, memory: int) -> Any:
    database = open_database(
        enable_external_access=False,
        temp_directory=spill,
        memory_limit=f"{memory}B",
        threads=1,
        ieee_floating_point_ops=False,  # nothing divided by nothing is null; as NaN it would exceed any number
    )
    database.execute("SET GLOBAL TimeZone = 'UTC'")  # else times with a zone are read in that of this machine
    database.execute("SET lock_configuration = true")
    return database


def _is_null(table: pl.DataFrame) -> bool:
    return table.is_empty() or (table.height == 1 and all(column.null_count() for column in table))


def _columns(table: pl.DataFrame) -> str | None:
    """The columns of a table without values as SQL, which DuckDB reads faster than Arrow; None for a rare type."""
    kinds = {name: _kind(dtype) for name, dtype in table.schema.items()}
    if None in kinds.values():
        return None
    return ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in kinds.items())


def _kind(dtype: pl.DataType) -> str | None:
    if isinstance(dtype, pl.List):
        inner = _kind(dtype.inner)  # type: ignore[arg-type]
        return inner and f"{inner}[]"
    return _KINDS.get(dtype)


def _plain(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(
        pl.col(name).cast(kind, strict=False)
        for name, old in table.schema.items()
        if (kind := _plain_type(old)) is not None
    )


def _plain_type(kind: pl.DataType) -> pl.DataType | None:
    if isinstance(kind, _WHOLE) or (isinstance(kind, pl.Decimal) and kind.scale == 0):
        return pl.Int64()
    return pl.Float64() if isinstance(kind, pl.Decimal | pl.Float32) else None

"""SQL that somebody else may have written: it reads the tables that it is given, and nothing else.

Two locks, because neither is enough alone. A statement is parsed before it runs: it must be a SELECT, so it cannot leave
the parentheses that it is put in, of its own tables and of functions that only compute (`filters.sql.reach`). And the
connection that runs it opens no file but those named, loads no extension, and cannot be reconfigured (https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from filters.sql.engine import literal, open_database
from filters.sql.reach import acting, check_reach
from pipelines.store.memory import cores
from schemas.errors import ConfigError

_THREAD = 2 << 30
"""Bytes that a thread is given which reads files: it holds a row group of a parquet file, and those with images have some
hundred megabytes."""


def connect(memory: int | None = None) -> Any:
    """A DuckDB connection in memory that fetches no extension and sees no variable of this program. It takes at most
    `memory` bytes, where given, and as many threads as these feed."""
    if memory is None:
        return open_database()
    return open_database(memory_limit=f"{memory}B", threads=max(1, min(cores(), memory // _THREAD)))


def lock(connection: Any, *, spill: Path, files: Iterable[str] = (), folders: Iterable[Path] = ()) -> None:
    """From here on the connection opens these files and what lies in these folders, and no setting can change.

    What does not fit into memory goes into the folder `spill`. DuckDB's own choice would be
    `.tmp` in the current folder, and what lies there could be read.
    """
    connection.execute(f"SET temp_directory = {literal(str(spill))}")
    connection.execute(f"SET allowed_paths = {_listed(files)}")
    connection.execute(f"SET allowed_directories = {_listed(map(str, folders))}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def only_select(sql: str, place: str, tables: Sequence[str]) -> str:
    """The text of the one SELECT in `sql`, of `tables` alone. `place` starts the sentence of a ConfigError for any other."""
    kinds = statement_kinds(sql, place)
    if kinds != ["SELECT"]:
        found = " and ".join(kinds) or "nothing"
        raise ConfigError(f"{place} must be one SELECT that only reads; it holds {found}.")
    try:
        check_reach(sql, tables)
    except ValueError as error:
        raise ConfigError(f"{place} {error}.") from None
    return sql.strip()


def check_query(sql: str) -> None:
    """Raise ConfigError where a query holds anything that does not only read.

    DuckDB parses PIVOT into a CREATE (of an enum, in memory) and a SELECT.
    """
    kinds = statement_kinds(sql, "The query")
    if not kinds:
        raise ConfigError("A query is needed, such as: curate query 'SHOW TABLES'.")
    cure = "and `curate query` only reads. To write files, open the build's parquet files in DuckDB or polars"
    if refused := sorted({*kinds} - {"SELECT", "CREATE"}):
        raise ConfigError(f"The query holds {', '.join(refused)}, {cure}.")
    if called := acting(sql):
        raise ConfigError(f"The query calls {called}(), {cure}.")


def statement_kinds(sql: str, place: str) -> list[str]:
    """The kinds of the statements in `sql`, such as SELECT or COPY, in order. ConfigError where it does not parse."""
    import duckdb

    try:
        return [statement.type.name for statement in duckdb.extract_statements(sql)]
    except duckdb.Error as error:
        words = str(error).strip().split("\n")[0]
        raise ConfigError(f"{place} does not work: {words}.") from None


def _listed(texts: Iterable[str]) -> str:
    """A SQL list of string literals."""
    return f"[{', '.join(map(literal, texts))}]"

"""SQL that somebody else may have written: it reads the tables that it is given, and nothing else.

Two locks, because neither is enough alone. A statement is parsed before it runs and must be a SELECT, so it cannot leave
the parentheses that it is put in. And the connection that runs it opens no file but those named, loads no extension, and
cannot be reconfigured (https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from schemas.errors import ConfigError


def connect() -> Any:
    """A DuckDB connection in memory that fetches no extension and sees no variable of this program."""
    import duckdb

    return duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
        }
    )


def lock(connection: Any, *, files: Iterable[str] = (), folders: Iterable[Path] = ()) -> None:
    """From here on the connection opens these files and what lies in these folders, and no setting can change."""
    connection.execute(f"SET allowed_paths = {_listed(files)}")
    connection.execute(f"SET allowed_directories = {_listed(map(str, folders))}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def only_select(sql: str, place: str) -> str:
    """The text of the one SELECT in `sql`. `place` starts the sentence of a ConfigError for anything else."""
    kinds = statement_kinds(sql, place)
    if kinds != ["SELECT"]:
        found = " and ".join(kinds) or "nothing"
        raise ConfigError(f"{place} must be one SELECT that only reads; it holds {found}.")
    return sql.strip()


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
    return "[" + ", ".join("'" + text.replace("'", "''") + "'" for text in texts) + "]"

"""SQL that tries to read a file, write one, load code or reach the machine, in the places where recipes hold SQL."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from schemas.errors import ConfigError

SECRET = "planted-secret-1234"

TABLES = [
    "read_text('SECRET')", "read_blob('SECRET')", "read_csv('SECRET')", "read_json('SECRET')", "read_parquet('SECRET')",
    "read_text('FOLDER/data/../secret.csv')", "read_text('file://SECRET')", "read_text('.tmp/secret.csv')",
    "'SECRET'", '"SECRET"', "glob('FOLDER/*')", "sniff_csv('SECRET')", "parquet_metadata('SECRET')", "read_duckdb('SECRET')",
    "query('FROM read_text(''SECRET'')')", "query_table('SECRET')", "pandas_scan(NULL)", "arrow_scan(NULL, NULL, NULL)",
    "json_execute_serialized_sql(json_serialize_sql('FROM read_text(''SECRET'')'))", "duckdb_settings()", "duckdb_secrets()",
    "enable_logging(storage = 'file', storage_path = 'OUT')", "enable_profiling(save_location = 'OUT.json')", "checkpoint()",
    "information_schema.tables", "pg_catalog.pg_class", "sqlite_master", "(DESCRIBE rows)", "system.main.duckdb_settings()",
]  # fmt: skip
SCALARS = [
    "getenv('CURATE_PLANTED')", "current_setting('allowed_directories')", "getvariable('x')", "write_log('x')",
    "nextval('x')", "current_setting('temp_directory')", "json_serialize_sql('SELECT 1')", "version()",
]  # fmt: skip
STATEMENTS = [
    "COPY (SELECT 'x') TO 'OUT'", "ATTACH 'OUT'", "INSTALL httpfs", "LOAD httpfs", "EXPORT DATABASE 'OUT'",
    "SET enable_external_access = true", "PRAGMA enable_profiling", "CALL enable_logging(storage = 'file')",
    "CREATE TABLE x AS FROM 'SECRET'", "INSERT INTO raw SELECT 1", "CREATE SECRET x (TYPE http)", "USE x",
    "CREATE MACRO f() AS TABLE FROM read_text('SECRET')", "IMPORT DATABASE 'FOLDER'", "FORCE INSTALL httpfs FROM 'FOLDER'",
]  # fmt: skip
PLACES = [
    "(SELECT 1 FROM {table})", "EXISTS (FROM {table})", "1 IN (FROM {table})", "[x FOR x IN (SELECT list(1) FROM {table})]",
    "{scalar}", "coalesce({scalar}, 'a')", "list_transform([1], x -> {scalar})", "CASE WHEN true THEN {scalar} END",
    "1; {statement}", "1); {statement}; SELECT (1", "1) FROM {table}; {statement} --", "1 FROM {table}",
    "1 /* */ FROM {table} --", "count(*) FILTER ({scalar} = 'a')", "max({scalar})", "{table}",
]  # fmt: skip
SELECTS = [
    "SELECT {expression} AS question, 'a' AS answer FROM $", "SELECT question, {expression} AS answer FROM $",
    "SELECT question, answer FROM $ WHERE {expression} IS NOT NULL", "SELECT * FROM $, {table}", "FROM {table}",
    "WITH a AS (FROM {table}) SELECT question, answer FROM $, a", "SELECT * FROM $ ORDER BY {expression}",
    "SELECT question, answer FROM $ UNION ALL BY NAME FROM {table}", "SELECT * FROM $ JOIN {table} ON true",
    "WITH $ AS (FROM {table}) FROM $", "FROM (PIVOT {table} ON 1)", "SELECT * FROM $ SEMI JOIN {table} USING (a)",
    "SELECT question, answer FROM $ QUALIFY row_number() OVER (ORDER BY {expression}) = 1",
    "{statement}", "FROM $; {statement}", "SELECT 1); {statement}; DESCRIBE SELECT * FROM (SELECT 1",
]  # fmt: skip


def spelled(text: str) -> st.SearchStrategy[str]:
    """The text with other blanks and capitals where SQL does not mind."""
    blanks = st.sampled_from([" ", "  ", "\n", " /* ; */ ", "\t"])
    words = re.split(r"('[^']*(?:''[^']*)*'|\"[^\"]*\")", text)
    cased = st.sampled_from([str.lower, str.upper, str])
    return st.tuples(blanks, cased).map(
        lambda how: "".join(w if i % 2 else how[1](w).replace(" ", how[0]) for i, w in enumerate(words))
    )


@st.composite
def hostile(draw: st.DrawFn, forms: list[str], table: str = "rows") -> str:
    """SQL of one of the forms that tries to read, write or load."""
    text = draw(st.sampled_from(forms)).replace("$", table).replace("{expression}", draw(st.sampled_from(PLACES)))
    for name, found in (("{table}", TABLES), ("{scalar}", SCALARS), ("{statement}", STATEMENTS)):
        while name in text:
            text = text.replace(name, draw(st.sampled_from(found)), 1)
    return draw(spelled(text))


def plant(root: Path) -> None:
    """A secret beside a source's folder, and one where DuckDB would spill by default."""
    for folder in ("data", ".tmp"):
        (root / folder).mkdir()
    for file in (root / "secret.csv", root / ".tmp" / "secret.csv"):
        file.write_text(f"token\n{SECRET}\n")


def tried(sql: str, root: Path, run: Callable[[str], Any]) -> None:
    """It may fail, in a sentence; what it gives or says holds no secret, and no file came or changed."""
    for name, path in (("SECRET", root / "secret.csv"), ("OUT", root / "written"), ("FOLDER", root)):
        sql = re.sub(name, str(path), sql, flags=re.IGNORECASE)
    before = files(root)
    try:
        said = str(run(sql))
    except (ValueError, ConfigError) as error:
        said = str(error)
    assert SECRET not in said, sql
    assert files(root) == before, sql


def files(root: Path) -> dict[str, int]:
    """The size of every file below a folder."""
    found = (Path(folder) / name for folder, _, names in os.walk(root) for name in names)
    return {str(path): path.stat().st_size for path in found}

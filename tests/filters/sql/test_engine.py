"""The database that runs a recipe's SQL: locked, of one thread, with the types of tables."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from filters.sql import engine
from filters.sql.select import Select


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "COPY (SELECT 1) TO 'written.csv'",
        "ATTACH 'other.db'",
        "SET threads = 8",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "INSTALL httpfs",
        "LOAD httpfs",
    ],
)
def test_it_is_locked_whatever_is_asked_of_it(sql: str) -> None:
    with pytest.raises(Exception, match=r"disabled|locked|does not exist"):
        engine.run(sql, {})


def test_it_sees_no_variable_of_the_program() -> None:
    frame = pl.DataFrame({"k": [1]})  # DuckDB would find it by its name
    with pytest.raises(Exception, match="frame does not exist"):
        engine.run("SELECT k FROM frame", {"rows": frame})


def test_too_many_rows_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MEMORY", 32 << 20)
    engine._database.cache_clear()
    rows = pl.DataFrame({"id": [f"{n:032}" for n in range(2500)]})
    try:
        with pytest.raises(ValueError, match="needs more memory than SQL of a recipe gets"):
            Select("SELECT DISTINCT a.id AS a, b.id AS b FROM rows a, rows b").run({"rows": rows})
    finally:
        engine._database.cache_clear()


def test_what_needs_more_memory_than_it_gets_goes_to_a_folder(tmp_path: Path) -> None:
    rows = pl.DataFrame({"id": [f"{n * 7919 % 200_003:032}" for n in range(200_000)]})
    ranked = Select("SELECT id AS parent_id, row_number() OVER (ORDER BY id) AS place FROM rows")
    expected = ranked.run({"rows": rows}).sort("place")
    with engine.spilling(tmp_path, 24 << 20):
        assert ranked.run({"rows": rows}).sort("place").equals(expected)
        database = engine._current()
        assert database is not engine._database(os.getpid())
        with pytest.raises(Exception, match="locked"):
            database.execute("SET threads = 8")
    assert not list(tmp_path.iterdir())
    with engine.spilling(tmp_path / "none", 24 << 20):  # opened only where SQL runs
        pass
    assert not (tmp_path / "none").exists()


def test_a_full_disk_is_told_as_one() -> None:
    error = MemoryError("failed to offload data block (3.9 GiB/4 GiB used). max_temp_directory_size")
    assert engine.too_much(error) == "needs more space than the disk of the build has"


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("1", pl.Int64()),
        ("1::HUGEINT", pl.Int64()),
        ("1::TINYINT", pl.Int64()),
        ("0.5", pl.Float64()),
        ("0.5::FLOAT", pl.Float64()),
        ("1::UBIGINT", pl.UInt64()),
        ("[0.5]", pl.List(pl.Decimal(2, 1))),
        ("'a'", pl.String()),
        ("true", pl.Boolean()),
        ("DATE '2020-01-01'", pl.Date()),
    ],
)
def test_numbers_have_the_types_of_tables(sql: str, kind: pl.DataType) -> None:
    assert engine.run(f"SELECT {sql} AS a", {}).schema["a"] == kind


def test_a_table_without_rows_has_the_types_of_one_with_rows() -> None:
    kinds = {
        "text": pl.String(),
        "flag": pl.Boolean(),
        "small": pl.Int32(),
        "k": pl.Int64(),
        "x": pl.Float64(),
        "words": pl.List(pl.String()),
        "lists": pl.List(pl.List(pl.Int64())),
        "struct": pl.Struct({"id": pl.String()}),
        "day": pl.Date(),
        "side": pl.Enum(["a"]),
    }
    empty = pl.DataFrame(schema=kinds)
    for columns in (list(kinds), [name for name in kinds if name not in {"struct", "day", "side"}]):
        sql = f"SELECT {', '.join(columns)} FROM rows"
        none, one = (engine.run(sql, {"rows": empty.select(columns).clear(n)}) for n in (0, 1))
        assert none.schema == one.schema and (none.height, one.height) == (0, 1)


def test_times_with_a_zone_are_read_as_utc_on_any_machine() -> None:
    code = (
        "import polars as pl; from filters.sql.expression import Expression;"
        "print(Expression(\"hour(t::TIMESTAMPTZ)\").evaluate(pl.DataFrame({'t': ['2020-01-01 10:00:00+00']})).item())"
    )
    env = {**os.environ, "TZ": "Asia/Tokyo"}
    shown = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "10"


def test_duckdb_is_not_imported_with_the_steps() -> None:
    code = "import sys, filters.drop, filters.tally, filters.sql_step; print('duckdb' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_without_a_file_left_to_open_a_database_is_an_error_and_no_end_of_the_process() -> None:
    program = """
import os, resource
from filters.sql.engine import open_database
import duckdb
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
try:
    open_database()
except OSError as error:
    os.write(1, error.strerror.encode())
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "Too many open files"), done.stderr

"""Tables are read from the path that is given, whatever characters it has."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.store.table_files import as_sql, read_table, row_count, scan_table, table_schema, tables_in

NAMES = [("runs[1]", "runs1"), ("a*b", "ab"), ("w?y", "why"), ("back\\slash", "backslash"), ("it's", "its")]


@pytest.mark.parametrize(("name", "met"), NAMES)
def test_a_path_is_a_path(tmp_path: Path, name: str, met: str) -> None:
    for folder, value in ((name, [1]), (met, [2, 2])):
        (tmp_path / folder).mkdir()
        pl.DataFrame({"a": value}).write_parquet(tmp_path / folder / "part-0.parquet")
    files = tables_in(tmp_path / name)
    assert files == [tmp_path / name / "part-0.parquet"]
    assert scan_table(files).collect()["a"].to_list() == [1]
    assert scan_table(files[0]).collect()["a"].to_list() == read_table(files[0], ["a"])["a"].to_list() == [1]
    assert row_count(files[0]) == 1 and table_schema(files[0]) == {"a": pl.Int64}
    with duckdb.connect() as db:
        assert db.execute(f"SELECT a FROM read_parquet({as_sql(files)})").fetchall() == [(1,)]


def test_a_folder_that_is_not_there_holds_no_table(tmp_path: Path) -> None:
    assert tables_in(tmp_path / "nowhere") == []

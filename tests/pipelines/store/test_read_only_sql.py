"""SQL that somebody else wrote reads its own source and nothing else: no file, no extension, no setting."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hostile_sql import SECRET, SELECTS, hostile, plant, tried
from hypothesis import given, settings
from recipe_build import built, sums, write_recipe

from pipelines.explain.query import run_query
from pipelines.job import compile_recipe, open_job
from pipelines.preflight import check
from pipelines.sources.files import CsvSource, JsonlSource, ParquetSource
from pipelines.sources.image_folder import ImageFolderSource
from pipelines.sources.read import check_source, read_rows
from pipelines.sources.scenes import ScenesSource
from pipelines.sources.section import SourceSection
from pipelines.store.read_only_sql import connect, lock, only_select
from schemas.errors import ConfigError

ROW = {"question": "1 + 1?", "answer": "2"}

HOSTILE = [
    "SELECT 1); COPY (SELECT 'x') TO 'OUT'; DESCRIBE SELECT * FROM (SELECT question, answer FROM raw",
    "SELECT question, answer FROM raw; COPY (SELECT 'x') TO 'OUT'",
    "SELECT * FROM raw) TO 'OUT' --",
    "WITH x AS (SELECT 1) INSERT INTO raw SELECT 1, 2",
    "SELECT content AS question, 'a' AS answer FROM read_text('SECRET')",
    "SELECT content AS question, 'a' AS answer FROM read_blob('SECRET')",
    "SELECT file AS question, 'a' AS answer FROM glob('FOLDER/*')",
    "SELECT column0 AS question, 'a' AS answer FROM read_csv('SECRET')",
    "FROM 'SECRET'",
    "SELECT question, (SELECT content FROM read_text('SECRET')) AS answer FROM raw",
    "FROM query('SELECT content AS question, content AS answer FROM read_text(''SECRET'')')",
]


def _sources(root: Path) -> list[SourceSection]:
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "q.jsonl").write_text(json.dumps(ROW) + "\n")
    (root / "data" / "metadata.csv").write_text("question,answer,file_name\n1 + 1?,2,a.png\n")
    pl.DataFrame([ROW]).write_parquet(root / "data" / "q.parquet")
    data = str(root / "data")
    return [
        JsonlSource(name="t", path=f"{data}/q.jsonl"),
        ParquetSource(name="t", path=f"{data}/*.parquet"),
        CsvSource(name="t", path=f"{data}/metadata.csv"),
        ImageFolderSource(name="t", path=data),
        ScenesSource(name="t", n=1),
    ]


@pytest.mark.parametrize("select", HOSTILE)
def test_a_select_of_a_recipe_only_reads_its_own_source(select: str, tmp_path: Path) -> None:
    secret, out = tmp_path / "secret.csv", tmp_path / "written"
    secret.write_text("token\nmy-secret\n")
    for name, path in {"SECRET": secret, "OUT": out, "FOLDER": tmp_path}.items():
        select = select.replace(name, str(path))
    for source in _sources(tmp_path):
        hostile = source.model_copy(update={"select": select})
        with pytest.raises(ConfigError, match=r"^Source 't'") as caught:
            check_source(hostile)
        assert "my-secret" not in str(caught.value)
        with pytest.raises(ConfigError):
            list(read_rows(hostile))
        assert not out.exists()


def test_what_is_checked_before_a_build_runs_no_statement_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps(ROW) + "\n")
    out = tmp_path / "written"
    source = {"type": "jsonl", "name": "q", "path": str(tmp_path / "q.jsonl")}
    evil = {**source, "name": "e", "select": HOSTILE[0].replace("OUT", str(out))}
    for sources, step in (([evil], "dedup"), ([source], {"decontaminate": {"sources": [evil]}})):
        path = tmp_path / "r.yaml"
        path.write_text(json.dumps({"name": "r", "sources": sources, "steps": [step]}))
        with pytest.raises(ConfigError, match="Source 'e': 'select' does not work"):
            check(open_job(compile_recipe(str(path)), tmp_path / "out"))
        assert not out.exists()


def test_a_good_select_still_reads_every_source(tmp_path: Path) -> None:
    for source in _sources(tmp_path):
        select = "WITH a AS (FROM raw) SELECT question, answer, current_date AS day FROM a -- done"
        assert check_source(source.model_copy(update={"select": select}))
        assert list(read_rows(source.model_copy(update={"select": select})))


def test_a_linked_source_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text(json.dumps(ROW) + "\n")
    (tmp_path / "q.jsonl").symlink_to(tmp_path / "blob")
    (rows,) = read_rows(JsonlSource(name="t", path=str(tmp_path / "q.jsonl")))
    assert rows["answer"].to_list() == ["2"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSTALL httpfs",
        "LOAD httpfs",
        "ATTACH 'FOLDER/x.db'",
        "EXPORT DATABASE 'FOLDER/x'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "RESET lock_configuration",
        "COPY (SELECT 1) TO 'FOLDER/x.csv'",
    ],
)
def test_a_locked_connection_cannot_be_opened_again(statement: str, tmp_path: Path) -> None:
    import duckdb

    spill = tmp_path / "spill"
    spill.mkdir()
    with connect() as connection:
        lock(connection, spill=spill)
        with pytest.raises(duckdb.Error):
            connection.execute(statement.replace("FOLDER", str(tmp_path)))
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert list(tmp_path.rglob("*")) == [spill]


def test_one_select_is_all_that_a_statement_may_be() -> None:
    assert only_select(" SELECT 1; ", "It", ["raw"]) == "SELECT 1;"
    for sql, found in (("SELECT 1; SELECT 2", "SELECT and SELECT"), ("", "nothing"), ("COPY x TO 'y'", "COPY")):
        with pytest.raises(ConfigError, match=rf"^It must be one SELECT that only reads; it holds {found}\.$"):
            only_select(sql, "It", ["raw"])


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A build and a source, in the current folder of a process that has a secret in its environment."""
    root = tmp_path_factory.mktemp("stranger")
    plant(root)
    (root / "data" / "q.jsonl").write_text(json.dumps(ROW) + "\n")
    built(
        write_recipe(root, [{"drop": {"of": "sample", "if": {"long": "length(question) > 99"}}}], sums(2)), root / "out"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURATE_PLANTED", SECRET)
        patch.chdir(root)
        yield root


@settings(max_examples=60, deadline=None)
@given(sql=hostile(SELECTS, "raw"))
def test_no_select_of_a_source_reaches_out(sql: str, there: Path) -> None:
    source = JsonlSource(name="t", path=str(there / "data" / "q.jsonl"))

    def run(text: str) -> object:
        read = source.model_copy(update={"select": text})
        return [check_source(read), [rows.rows() for rows in read_rows(read)]]

    tried(sql, there, run)


@settings(max_examples=60, deadline=None)
@given(sql=hostile(SELECTS, "samples"))
def test_no_query_that_is_pasted_reaches_out(sql: str, there: Path) -> None:
    tried(sql, there, lambda text: run_query(there / "out", text))


def test_what_lies_where_duckdb_would_spill_is_not_read(there: Path) -> None:
    with pytest.raises(ConfigError, match="Cannot access file"):
        run_query(there / "out", "FROM read_text('.tmp/secret.csv')")

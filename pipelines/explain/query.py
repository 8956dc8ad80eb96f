"""SQL over every table of a build: DuckDB views on the parquet files, nothing loaded until it is asked for."""

import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import duckdb

from pipelines.explain.answer_file import check_target, save_answer
from pipelines.explain.recorded import RecordedBuild
from pipelines.explain.views import folders, open_views
from pipelines.store.build_record import NAME
from pipelines.store.read_only_sql import check_query, lock
from pipelines.store.workspace import Workspace, is_trial
from schemas.errors import ConfigError

_SHOWN = 200
"""Rows of an answer on a terminal."""


def open_tables(workspace: Path, recipe: str | None = None, sql: str | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with the views of a build (`pipelines.explain.views`), for one query where it is known.

    Raises ConfigError where there is no build, or several and none is named.
    """
    return open_views(Workspace(workspace), _build(workspace, recipe), sql)


def _build(workspace: Path, recipe: str | None) -> RecordedBuild:
    return RecordedBuild(find_build(workspace, recipe))


def find_build(workspace: Path, recipe: str | None) -> Path:
    """The folder of the build that is meant."""
    found = sorted(path.parent.name for path in (workspace / "builds").glob(f"*/{NAME}"))
    products = [name for name in found if not is_trial(name)] or found
    if recipe is None and len(products) == 1:
        return workspace / "builds" / products[0]
    if recipe in found:
        return workspace / "builds" / str(recipe)
    if not found:
        raise ConfigError(
            f"There is no build in {workspace}. Run `curate build RECIPE` first, or name the --workspace."
        )
    wanted = f"There is no build '{recipe}'" if recipe else "There are several builds"
    raise ConfigError(f"{wanted} in {workspace}; choose one with --recipe: {', '.join(found)}.")


def run_query(workspace: Path, sql: str, recipe: str | None = None, to: Path | None = None) -> str:
    """The answer as a text table, or how many rows it has, where it goes `to` a file (`pipelines.explain.answer_file`).

    A query reads the workspace's tables and nothing else, so that it is safe to paste. Raises ConfigError with DuckDB's
    own words where the SQL is wrong.
    """
    check_query(sql)
    if to is not None:
        check_target(to, workspace)
    try:
        with open_tables(workspace, recipe, sql) as db, tempfile.TemporaryDirectory(prefix="curate-query-") as spill:
            lock(db, spill=Path(spill), folders=folders(Workspace(workspace), _build(workspace, recipe)))
            answer = db.sql(sql)
            if answer is None:
                return ""
            return _shown(answer) if to is None else f"{save_answer(answer, to):,} rows in {to}"
    except duckdb.Error as error:
        raise ConfigError(f"The query failed: {error}") from None


def _shown(answer: duckdb.DuckDBPyRelation) -> str:
    """An answer as DuckDB shows it, with more rows than its twenty, so that a list of tables is whole."""
    out = StringIO()
    with redirect_stdout(out):
        answer.show(max_rows=_SHOWN)
    return out.getvalue()

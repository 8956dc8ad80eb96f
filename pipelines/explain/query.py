"""SQL over every table of a build: DuckDB views on the parquet files, nothing loaded until it is asked for."""

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import duckdb

from pipelines.explain.step_build import StepBuild
from pipelines.explain.views import open_views
from pipelines.road.stages import ROAD
from pipelines.store.build_record import NAME
from pipelines.store.read_only_sql import connect, lock, statement_kinds
from pipelines.store.workspace import Workspace, is_trial
from schemas.errors import ConfigError

TABLES = {
    "samples": ("ingest", "kept"),
    "captions": ("caption", "kept"),
    "traces": ("distill", "kept"),
    "verified": ("verify", "kept"),
    "rewritten": ("rewrite", "kept"),
    "quality": ("quality", "kept"),
    "picked": ("pick", "kept"),
    "judged": ("judge", "kept"),
    "rollouts": ("rollouts", "kept"),
    "stops": ("rollouts", "stops"),
    "scores": ("score", "kept"),
    "judged_rollouts": ("judge_rollouts", "kept"),
    "difficulty": ("difficulty", "kept"),
    "measures": ("difficulty", "measures"),
    "signals": ("signals", "kept"),
    "check_replies": ("check_scores", "kept"),
    "check_variants": ("checks", "variants"),
    "check_results": ("checks", "results"),
    "checks": ("checks", "kept"),
    "contaminated": ("decontaminate", "hits"),
    "splits": ("split", "kept"),
    "selected": ("select", "kept"),
    "control": ("select", "control"),
    "clusters": ("select", "clusters"),
    "comparison": ("select", "comparison"),
    "pairs": ("prefer", "pairs"),
    "released": ("release", "kept"),
}
"""Views by name: the stage and the table behind each."""

_SHOWN = 200
"""Rows of an answer on a terminal."""

_READING = {"SELECT", "CREATE"}
"""Statements of a query. DuckDB parses PIVOT into a CREATE (of an enum, in memory) and a SELECT."""


def open_tables(workspace: Path, recipe: str | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with a view for each table of the build, `dropped` for all drops, `completions` and `failures` for
    the log.

    Raises ConfigError where there is no build, or several and none is named.
    """
    folder = find_build(workspace, recipe)
    if (folder / NAME).is_file():
        return open_views(Workspace(workspace), StepBuild(folder))
    db: duckdb.DuckDBPyConnection = connect()
    for view, (stage, table) in TABLES.items():
        path = folder / stage / f"{table}.parquet"
        if path.is_file():
            db.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({_quote(path)})")
    _rollout_records(db, folder)
    drops = [
        f"SELECT {_quote(stage.name)} AS stage, * FROM read_parquet({_quote(path)})"
        for stage in ROAD
        if (path := folder / stage.name / "dropped.parquet").is_file()
    ]
    if drops:
        db.execute(f"CREATE VIEW dropped AS {' UNION ALL '.join(drops)}")
    log = Workspace(workspace).completions
    for view, parts in (("completions", log / "part-*.parquet"), ("failures", log / "failures" / "part-*.parquet")):
        if any(parts.parent.glob(parts.name)):
            db.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({_quote(parts)})")
    return db


def _rollout_records(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """`records`: every rollout with its text, length, finish reason and the verdict of the rule, or of the judge."""
    tables = [folder / stage / "kept.parquet" for stage in ("rollouts", "score")]
    if not all(path.is_file() for path in tables):
        return
    said, scores = (f"read_parquet({_quote(path)})" for path in tables)
    verdict, join = "scores.* EXCLUDE (id, sample_id, model, index, finish_reason, tokens)", ""
    judged = folder / "judge_rollouts" / "kept.parquet"
    if judged.is_file():
        own = ", ".join(f"coalesce(scores.{name}, judged.{name}) AS {name}" for name in ("score", "correct"))
        verdict += f" REPLACE ({own})"
        join = f"LEFT JOIN read_parquet({_quote(judged)}) judged USING (id)"
    db.execute(
        f"CREATE VIEW records AS SELECT said.*, {verdict} FROM {said} said JOIN {scores} scores USING (id) {join}"
    )


def find_build(workspace: Path, recipe: str | None) -> Path:
    """The folder of the build that is meant."""
    found = sorted(
        p.name for p in (workspace / "builds").glob("*") if (p / NAME).is_file() or any(p.glob("*/stage.json"))
    )
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


def run_query(workspace: Path, sql: str, recipe: str | None = None) -> str:
    """The answer as a text table. A query reads the workspace's tables and nothing else, so that it is safe to paste.

    Raises ConfigError with DuckDB's own words where the SQL is wrong.
    """
    kinds = statement_kinds(sql, "The query")
    if not kinds:
        raise ConfigError("A query is needed, such as: curate query 'SHOW TABLES'.")
    if refused := sorted({*kinds} - _READING):
        raise ConfigError(
            f"The query holds {', '.join(refused)}, and `curate query` only reads. To write files, open the build's "
            "parquet files in DuckDB or polars."
        )
    try:
        with open_tables(workspace, recipe) as db:
            logs = [Workspace(workspace).completions, Workspace(workspace).prompts]
            lock(db, folders=[find_build(workspace, recipe), *logs])
            answer = db.sql(sql)
            return "" if answer is None else _shown(answer)
    except duckdb.Error as error:
        raise ConfigError(f"The query failed: {error}") from None


def _shown(answer: duckdb.DuckDBPyRelation) -> str:
    """An answer as DuckDB shows it, with more rows than its twenty, so that a list of tables is whole."""
    out = StringIO()
    with redirect_stdout(out):
        answer.show(max_rows=_SHOWN)
    return out.getvalue()


def _quote(value: Path | str) -> str:
    return "'" + str(value).replace("'", "''") + "'"

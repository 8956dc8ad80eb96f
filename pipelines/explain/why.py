"""Why a row is in the set, or is not: every table's word on it, in the order of the stages."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from pipelines.explain.query import TABLES, open_tables
from pipelines.store.workspace import Workspace, is_trial
from schemas.errors import ConfigError

_AT_LENGTH = {"check_replies"}
"""Views of a story's length of their own; `check_variants` counts what they hold."""


@dataclass
class Story:
    """What is known of one sample. `chapters` are (table, row) in the order of the stages; `drops` say who dropped it."""

    id: str
    chapters: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    drops: list[dict[str, Any]] = field(default_factory=list)
    end: str = ""


def story(workspace: Path, id_: str) -> Story:
    """Find the row whose id is or starts with `id_`, in any build of the workspace.

    A trace's or rollout's id leads to its sample. Raises ConfigError where there is no such row, or more than one.
    """
    builds = [p.name for p in (workspace / "builds").glob("*") if any(p.glob("*/stage.json"))]
    for build in sorted(builds, key=lambda name: (is_trial(name), name)):
        with open_tables(workspace, build) as db:
            found = _resolve(db, id_)
            if found:
                return _tell(db, found, Workspace(workspace), build)
    raise ConfigError(f"No row of {workspace} has an id that starts with '{id_}'. `curate query` can list ids.")


def _resolve(db: duckdb.DuckDBPyConnection, id_: str) -> str | None:
    views = _views(db)
    places = (("samples", "id"), ("dropped", "id"), ("traces", "sample_id"), ("rollouts", "sample_id"))
    for view, column in (place for place in places if place[0] in views):
        rows = db.execute(f"SELECT DISTINCT {column} FROM {view} WHERE id LIKE ? || '%' LIMIT 3", [id_]).fetchall()
        if len(rows) > 1:
            raise ConfigError(
                f"'{id_}' is the start of several ids: {', '.join(r[0] for r in rows)}; give more digits."
            )
        if rows:
            return str(rows[0][0])
    return None


def _tell(db: duckdb.DuckDBPyConnection, id_: str, workspace: Workspace, build: str) -> Story:
    told = Story(id_)
    views = _views(db)
    for view in TABLES:
        if view not in views or view in _AT_LENGTH:
            continue
        columns = [c[0] for c in db.execute(f"DESCRIBE {view}").fetchall()]
        key = "sample_id" if "sample_id" in columns else "id"
        if key not in columns:
            continue
        order = '"index"' if "index" in columns else "ALL"
        cursor = db.execute(f"SELECT * FROM {view} WHERE {key} = ? ORDER BY {order}", [id_])
        names = [d[0] for d in cursor.description or ()]
        told.chapters += [(view, dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    if "dropped" in views:
        of_it = "id = ? OR json_extract_string(evidence, '$.sample_id') = ?"
        found = db.execute(f"SELECT stage, id, reason, evidence FROM dropped WHERE {of_it}", [id_, id_]).fetchall()
        for stage, row, reason, evidence in found:
            told.drops.append({"stage": stage, "id": row, "reason": reason, "evidence": json.loads(evidence or "{}")})
    told.end = _end(told, workspace, build)
    return told


def _end(told: Story, workspace: Workspace, build: str) -> str:
    """Where the row ended, in a sentence."""
    gone = next((d for d in told.drops if d["id"] == told.id), None)
    if gone:
        return f"Dropped by {gone['stage']}: {gone['reason']}."
    released = next((row for view, row in told.chapters if view == "released"), None)
    if released:
        latest = max(workspace.releases(build).glob("v*"), key=lambda p: int(p.name[1:]), default=None)
        return f"In the '{released['split']}' split of {latest or 'the release'}."
    return "Alive so far: the build has not released it yet."


def _views(db: duckdb.DuckDBPyConnection) -> set[str]:
    return {str(row[0]) for row in db.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}

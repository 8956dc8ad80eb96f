"""SQL over a build of steps: a view for each unit, for each step and for what the logs hold, on the parquet files.

    samples, traces, …     the living rows of a unit: their ids, `made_by`, and all columns as the last step wrote them
    <step>                 the rows that a step wrote, as it wrote them; `<step>_rows` where a view has its name already
    <step>_dropped         the rows that it dropped: `id, parent_id, reason, evidence`
    <step>_<table>         a table that it keeps beside its rows: `select_comparison`, `decontaminate_hits`, `checks_results`
    dropped                all drops: `step, unit, id, parent_id, reason, evidence`
    asked                  what was asked of models, of which row, and the keys of prompt and reply
    completions, failures, prompts    the logs, of all builds of the workspace
    release.<config>       the rows of a config of the release that the build wrote; `release.rollouts` those that it counts
    truth                  where sources are procedural tasks: their rows, with all that is known of them
                           (`pipelines.sources.tasks.truth`)

A value is that of the last step that wrote the row, by presence; a null that a step wrote counts. A column whose short name
is ambiguous or outdated at the end of the pipeline has its address as its name: "step.column".
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from filters.sql.engine import literal, quoted
from pipelines.explain.recorded import Column, RecordedBuild, StepFacts, plural
from pipelines.explain.released import config_files, releases
from pipelines.remote.places import here
from pipelines.sources.tasks import TasksSource, truth
from pipelines.store.completions import CompletionsLog
from pipelines.store.prompts import PromptsLog
from pipelines.store.read_only_sql import connect
from pipelines.store.release_seal import check_tables
from pipelines.store.step_tables import DROPS, REQUESTED, RETIRED, ROWS, STEP_DROPS
from pipelines.store.table_files import as_sql
from pipelines.store.workspace import Workspace

_TRUTH = "truth"
_NO_DROPS = f"SELECT {', '.join(f'NULL::VARCHAR AS {name}' for name in STEP_DROPS)} WHERE false"
_OWN = ("completions", "failures", "prompts", "dropped", "asked", _TRUTH)
"""Views whose names no view of a step has."""


def open_views(workspace: Workspace, build: RecordedBuild, sql: str | None = None) -> Any:
    """A DuckDB connection with the views of a build. The caller closes it, and locks it to `folders` before foreign SQL runs
    there.

    Logs and tables of the release are proven whole, as nobody knows what is read of them; with `sql`, those that it names.
    Of the release and of tasks only these have views then, or all where it lists tables.
    """
    db = connect()
    for name, query in views(workspace, build, sql).items():
        db.execute(f"CREATE VIEW {quoted(name)} AS {query}")
    for release in releases(workspace, build):
        db.execute("CREATE SCHEMA IF NOT EXISTS release")
        for config, files in config_files(release).items():
            if _names(sql, config):
                check_tables(release, files)
            if _names(sql, config, "show"):
                db.execute(f"CREATE VIEW IF NOT EXISTS release.{quoted(config)} AS {_files(files)}")
    if build.tasks and _names(sql, _TRUTH, "show"):
        db.register(_TRUTH, truth(TasksSource.model_validate(section) for section in build.tasks).to_arrow())
    return db


def folders(workspace: Workspace, build: RecordedBuild) -> list[Path]:
    """Where the files of the views lie."""
    return [build.folder, workspace.completions, workspace.prompts, *releases(workspace, build)]


def views(workspace: Workspace, build: RecordedBuild, sql: str | None = None) -> dict[str, str]:
    """The SQL of all views, by name, in the order in which they can be made."""
    found: dict[str, str] = {}
    ran = [step for step in build.steps if build.parts(step.name, ROWS)]
    units = {unit: plural(unit) for unit in build.units if any(s.makes and s.unit == unit for s in ran)}
    taken = {*units.values(), *_OWN}
    for step in ran:
        found[f"{step.name}_rows" if step.name in taken else step.name] = _files(build.parts(step.name, ROWS))
        drops = build.parts(step.name, DROPS)
        found.setdefault(f"{step.name}_dropped", _files(drops) if drops else _NO_DROPS)
        for table, path in build.tables(step.name).items():
            found.setdefault(f"{step.name}_{table}", _files([path]))
    nothing = f"SELECT NULL::VARCHAR AS step, NULL::VARCHAR AS unit, * FROM ({_NO_DROPS})"
    found["dropped"] = _union(_drops(build, ran)) or nothing
    asked = ((s, build.parts(s.name, REQUESTED)) for s in ran)
    if query := _union(f"SELECT {literal(s.name)} AS step, * FROM ({_files(paths)})" for s, paths in asked if paths):
        found["asked"] = query
    for unit, name in units.items():
        found[name] = _unit(build, ran, unit)
    return found | _logs(workspace, sql)


def _drops(build: RecordedBuild, steps: Iterable[StepFacts]) -> Iterator[str]:
    for step in steps:
        if paths := build.parts(step.name, DROPS):
            facts = f"{literal(step.name)} AS step, {literal(step.unit)} AS unit"
            yield f"SELECT {facts}, id, parent_id, reason, evidence FROM ({_files(paths)})"


def _gone(build: RecordedBuild, steps: list[StepFacts]) -> str:
    """The ids of rows that a step dropped, and of all that was made of them."""
    gates = [s for s in steps if not s.makes and build.parts(s.name, DROPS)]
    made = _union(f"SELECT id, parent_id FROM ({_files(build.parts(s.name, ROWS))})" for s in steps if s.makes)
    drops = _union(f"SELECT id FROM ({_files(build.parts(s.name, DROPS))})" for s in gates)
    if not drops or not made:
        return "SELECT NULL::VARCHAR AS id WHERE false"
    return (
        f"WITH RECURSIVE made AS ({made}), gone(id) AS ({drops} UNION "
        "SELECT made.id FROM made JOIN gone ON made.parent_id = gone.id) SELECT id FROM gone"
    )


def _unit(build: RecordedBuild, steps: list[StepFacts], unit: str) -> str:
    """The living rows of a unit with their current values."""
    makers = [s for s in steps if s.makes and s.unit == unit]
    rows = _union(
        f"SELECT id, sample_id, parent_id, {literal(s.name)} AS made_by FROM ({_files(build.parts(s.name, ROWS))})"
        for s in makers
    )
    gone = [f"SELECT id FROM ({_gone(build, steps)})"]
    gone += [f"SELECT id FROM ({_files(paths)})" for s in makers if (paths := build.parts(s.name, RETIRED))]
    ran = {step.name for step in steps}
    selects, joins = ["made.*"], []
    groups: dict[tuple[str, ...], list[Column]] = {}
    for column in build.units[unit]:
        groups.setdefault(tuple(step for step in column.steps if step in ran), []).append(column)
    for place, (givers, columns) in enumerate(groups.items()):
        if givers:
            selects += [f"v{place}.{quoted(c.name)}" for c in columns]
            joins.append(f"LEFT JOIN ({_overlay(build, givers, columns)}) v{place} ON v{place}.id = made.id")
    return (
        f"SELECT {', '.join(selects)} FROM ({rows}) made {' '.join(joins)} "
        f"WHERE made.id NOT IN (SELECT id FROM ({' UNION ALL '.join(gone)}) WHERE id IS NOT NULL)"
    )


def _overlay(build: RecordedBuild, givers: tuple[str, ...], columns: list[Column]) -> str:
    """`id` and columns, of each row the values of the last giver that wrote it."""
    named = ", ".join(f"{quoted(c.column)} AS {quoted(c.name)}" for c in columns)
    tables = [
        f"SELECT id, {named}, {place} AS __step FROM ({_files(build.parts(giver, ROWS))})"
        for place, giver in enumerate(givers)
    ]
    last = "" if len(givers) == 1 else " QUALIFY row_number() OVER (PARTITION BY id ORDER BY __step DESC) = 1"
    return f"SELECT * EXCLUDE (__step) FROM ({' UNION ALL BY NAME '.join(tables)}){last}"


def _logs(workspace: Workspace, sql: str | None) -> dict[str, str]:
    completions = CompletionsLog(workspace.completions)
    found = {}
    for name, log, columns in (
        ("completions", completions, "*"),
        ("failures", completions.failures, "*"),
        ("prompts", PromptsLog(workspace.prompts), "DISTINCT ON (key) key AS prompt_key, messages, prefix, form"),
    ):
        parts = log.files.parts() if _names(sql, name) else log.files.listed()[:1]  # which tells the columns
        if parts:
            found[name] = f"SELECT {columns} FROM ({_files(map(here, parts))})"
    return found


def _names(sql: str | None, *names: str) -> bool:
    """Whether one of the names is in the SQL; unknown SQL may hold any."""
    return sql is None or any(name.lower() in sql.lower() for name in names)


def _files(paths: Iterable[Path]) -> str:
    return f"SELECT * FROM read_parquet({as_sql(paths)})"


def _union(queries: Iterable[str]) -> str:
    return " UNION ALL ".join(queries)

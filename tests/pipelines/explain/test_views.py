"""SQL over a build of steps says what `current` says, for every unit, and reads nothing else."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from step_types import pipeline
from tiny_build import questions, tiny_build

from pipelines.explain.query import open_tables, run_query
from pipelines.explain.recorded import plural
from pipelines.run.runner import Runner
from schemas.errors import ConfigError

STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("give", {"as": "size", "columns": {"size": "'short'", "note": "question"}}),
    (
        "give",
        {
            "as": "long",
            "columns": {"size": "CASE WHEN answer = '10' THEN NULL ELSE 'long' END"},
            "where": "length(answer) > 1",
            "replaces": ("size",),
        },
    ),
    ("give", {"as": "other", "columns": {"note": "answer"}}),
    ("make", {"as": "trace", "n": 2}),
    ("make", {"as": "part", "makes": "segment", "of": "trace", "n": 2}),
    ("cut", {"as": "cut", "when": "answer = '4'"}),
    ("cut", {"as": "gate", "of": "trace", "when": "text LIKE '%-1'"}),
    ("give", {"as": "seen", "of": "segment", "columns": {"seen": "text || size"}}),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    root = tmp_path_factory.mktemp("views")
    runner = Runner(tiny_build(root / "out", questions(root / "sums.jsonl"), buckets=4), pipeline(*STEPS))
    runner.run_all()
    return runner


def ask(built: Runner, sql: str) -> pl.DataFrame:
    with open_tables(built.build.workspace.root) as db:
        return db.sql(sql).pl()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("unit", "columns"),
    [("sample", ("size", "size.note", "other.note")), ("trace", ("text",)), ("segment", ("text", "seen"))],
)
def test_the_view_of_a_unit_is_what_a_step_at_the_end_would_see(
    built: Runner, unit: str, columns: tuple[str, ...]
) -> None:
    names, found = built.pipeline.names, []
    node = names.node(unit)
    sources = {name: names.find(node, tuple(name.split(".")), text=True) for name in columns}
    for bucket in range(built.record.buckets):
        found.append(built.tables.current(node, sources, bucket, len(built.pipeline.steps)))
    wanted = pl.concat(found).sort("id")
    quoted = ", ".join(f'"{name}"' for name in wanted.columns)
    seen = ask(built, f"SELECT {quoted} FROM {plural(unit)} ORDER BY id")
    assert wanted.height > 0
    assert seen.equals(wanted)
    assert len(seen.columns) > 4


def test_tables_are_listed_and_a_name_that_is_taken_gives_way(built: Runner) -> None:
    names = set(ask(built, "SHOW TABLES")["name"])
    assert {"samples", "traces", "segments", "size", "cut", "cut_dropped", "trace", "dropped"} <= names
    assert not any(name.startswith("_") for name in names)
    assert ask(built, "SELECT * FROM trace").height == 24
    assert ask(built, "SELECT * FROM traces").height == 11
    drops = ask(built, "SELECT step, unit, count(*) AS n FROM dropped GROUP BY ALL ORDER BY ALL").rows()
    assert drops == [("cut", "sample", 1), ("gate", "trace", 11)]


def test_what_a_step_keeps_beside_its_rows_has_a_view(tmp_path: Path) -> None:
    steps = pipeline(
        ("beside", {"as": "chosen", "tables": {"control": 5, "dropped": 2, "rows": 3}}),
        ("give", {"as": "chosen_rows", "columns": {"size": "question"}}),
    )
    runner = Runner(tiny_build(tmp_path / "out", questions(tmp_path / "sums.jsonl"), buckets=2), steps)
    runner.run_all()
    assert "5" in run_query(tmp_path / "out", "SELECT count(*) AS n FROM chosen_control")
    assert ask(runner, "FROM chosen_dropped").columns == ["id", "reason", "evidence", "parent_id"], "drops come first"
    assert ask(runner, "FROM chosen_rows").columns == ["id", "size"], "a step of that name comes first"


def test_a_null_that_a_step_wrote_counts(built: Runner) -> None:
    found = ask(built, "SELECT answer.raw, size FROM samples WHERE size IS NULL").rows()
    assert found == [("10", None)]


def test_a_query_reads_the_build_and_nothing_else(built: Runner, tmp_path: Path) -> None:
    root = built.build.workspace.root
    assert "12" not in run_query(root, "SELECT count(*) AS n FROM samples") and "11" in run_query(
        root, "SELECT count(*) AS n FROM samples"
    )
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for sql in (f"SELECT * FROM '{secret}'", "COPY samples TO 'x.csv'", "SELECT * FROM sample", ""):
        with pytest.raises(ConfigError):
            run_query(root, sql)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("COPY (SELECT 1) TO 'FOLDER/x.csv'", r"holds COPY, and `curate query` only reads"),
        ("SELECT 1; COPY samples TO 'FOLDER/x.csv'", "holds COPY"),
        ("EXPORT DATABASE 'FOLDER/x'", "holds EXPORT"),
        ("EXPLAIN ANALYZE COPY samples TO 'FOLDER/x.csv'", "holds EXPLAIN"),
        ("ATTACH 'FOLDER/x.db'", "holds ATTACH"),
        ("SET threads = 1", "holds SET"),
        ("SELECT * FROM read_text('/etc/hostname')", "The query failed: Permission Error"),
    ],
)
def test_a_query_writes_nothing_and_opens_no_file(built: Runner, tmp_path: Path, sql: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_query(built.build.workspace.root, sql.replace("FOLDER", str(tmp_path)))
    assert not list(tmp_path.iterdir())


def test_a_list_of_tables_is_shown_whole(built: Runner) -> None:
    root = built.build.workspace.root
    shown = run_query(root, "SHOW TABLES") + run_query(root, "SELECT unnest(range(1000, 1100))")
    assert all(name in shown for name in ask(built, "SHOW TABLES")["name"])
    assert all(str(number) in shown for number in range(1000, 1100))


@pytest.mark.parametrize(
    ("unit", "many"), [("sample", "samples"), ("box", "boxes"), ("summary", "summaries"), ("essay", "essays")]
)
def test_units_have_plural_names(unit: str, many: str) -> None:
    assert (plural(unit), plural(unit, 1)) == (many, unit)

"""The steps whose work is SQL, compiled and run."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from step_runs import record, rows, run
from step_types import TYPES, pipeline
from tiny_build import questions

from filters import drop, sql_step, tally
from filters.sql import engine
from pipelines.run.runner import Runner
from schemas.errors import ConfigError

TWO = ("make", {"as": "distill", "n": 2, "column": "draft"})
LENGTHS = ("sql", {"as": "lengths", "of": "trace", "gives": {"long": "length(answer) > 1", "nth": "length(draft) % 2"}})
SHORT = ("drop", {"as": "short", "of": "trace", "if": {"one": "NOT long", "never": "long IS NULL"}})
COUNTS = ("tally", {"as": "counts", "of": "trace", "gives": {"n": "count(*)", "longs": "count(*) FILTER (long)"}})


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (drop.STEP, tally.STEP, sql_step.STEP):
        monkeypatch.setitem(TYPES, step.name, step)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return questions(tmp_path_factory.mktemp("source") / "sums.jsonl")


def test_rows_that_a_condition_drops_are_counted_all_the_same(tmp_path: Path, source: Path) -> None:
    runner = run(tmp_path, source, TWO, LENGTHS, SHORT, COUNTS)
    samples = rows(runner, "sample", "answer", "n", "longs")
    assert samples["n"].to_list() == [2] * 12
    assert samples.filter(pl.col("longs") == 2)["answer"].str.len_chars().min() == 2
    short = int((samples["answer"].str.len_chars() == 1).sum())
    assert 0 < short < 12
    assert record(runner, "short")["dropped"] == {"short:one": 2 * short}
    assert record(runner, "short")["notes"] == {}
    assert rows(runner, "trace", "long")["long"].to_list() == [True] * (24 - 2 * short)
    assert Runner(runner.build, runner.pipeline).stale() == []


def test_rows_without_evidence_are_kept_and_counted(tmp_path: Path, source: Path) -> None:
    lost = ("sql", {"as": "lost", "of": "trace", "gives": {"score": "CASE WHEN answer <> '4' THEN 1 END"}})
    steps = (TWO, lost, ("drop", {"as": "bad", "of": "trace", "if": {"low": "score < 1"}}))
    runner = run(tmp_path, source, *steps)
    assert record(runner, "bad")["notes"] == {"undecided": 2}
    assert rows(runner, "trace", "score").height == 24


def test_sql_over_all_rows_gets_the_memory_of_the_build_and_a_folder_of_its_scratch(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spills, locked = list[tuple[str, int]](), engine._locked
    monkeypatch.setattr(
        engine, "_locked", lambda spill, memory: spills.append((spill, memory)) or locked(spill, memory)
    )
    ranked = ("sql", {"of": "sample", "gives": {"place": "row_number() OVER (ORDER BY id)"}, "scope": "all"})
    runner = run(tmp_path, source, ranked)
    assert sorted(rows(runner, "sample", "place")["place"]) == list(range(1, 13))
    [(spill, memory)] = [one for one in spills if one[0]]
    assert Path(spill).is_relative_to(runner.build.folder / "sql" / ".scratch")
    assert memory == runner.build.memory.engine
    assert not list((runner.build.folder / "sql").rglob(".scratch/*"))


def test_a_select_over_two_tables_makes_rows(tmp_path: Path, source: Path) -> None:
    select = (
        "SELECT r.id AS parent_id, r.answer || ':' || count(*) AS note FROM rows r JOIN t USING (sample_id) "
        "GROUP BY r.sample_id, r.id, r.answer"
    )
    noted = ("sql", {"as": "noted", "of": "sample", "makes": "note", "select": select, "with": {"t": "trace"}})
    runner = run(tmp_path, source, TWO, LENGTHS, SHORT, noted)
    notes = rows(runner, "note", "note", "parent.answer")
    assert notes["note"].to_list() == (notes["parent.answer"] + ":2").to_list()
    assert 0 < notes.height < 12


def test_windows_over_the_rows_of_a_sample(tmp_path: Path, source: Path) -> None:
    gives = {
        "place": "row_number() OVER (PARTITION BY sample_id ORDER BY id)",
        "of": "count(*) OVER (PARTITION BY sample_id)",
    }
    runner = run(tmp_path, source, TWO, ("sql", {"as": "places", "of": "trace", "gives": gives}), buckets=4)
    found = rows(runner, "trace", "place", "of")
    assert sorted(found["place"].to_list()) == [1] * 12 + [2] * 12 and set(found["of"]) == {2}


def test_the_rows_are_the_same_for_any_number_of_buckets(tmp_path: Path, source: Path) -> None:
    ranked = {"makes": "best", "select": "SELECT id AS parent_id, draft FROM rows ORDER BY draft, id LIMIT 3"}
    steps = [TWO, LENGTHS, SHORT, COUNTS, ("sql", {"as": "best", "of": "trace", "scope": "all", **ranked})]
    one, four = (run(tmp_path / str(buckets), source, *steps, buckets=buckets) for buckets in (1, 4))
    for unit, columns in (("sample", ["n", "longs"]), ("trace", ["long", "nth"]), ("best", ["draft"])):
        assert rows(one, unit, *columns).equals(rows(four, unit, *columns))
    assert rows(one, "best", "draft").height == 3


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([TWO, ("drop", {"of": "trace", "if": {"no": "drft = 'x'"}})], "drft.*draft"),
        ([TWO, ("drop", {"of": "trace", "if": {"no": "draft"}})], "`draft` is no condition: it gives String"),
        ([TWO, ("tally", {"of": "trace", "gives": {"n": "sum(draft)"}})], r"sum\(VARCHAR\)"),
        ([TWO, ("tally", {"of": "trace", "to": "trace", "gives": {"n": "count(*)"}})], "counts trace rows into trace"),
        ([("sql", {"of": "sample", "gives": {"n": "length(question) + question"}})], "VARCHAR"),
        ([("sql", {"of": "sample", "makes": "x", "select": "SELECT id AS parent_id, kk FROM rows"})], "kk"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(steps: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        pipeline(*steps)
    assert "\n" not in str(caught.value)

"""What a runner computes again, what it leaves, and that no row is lost on the way."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from step_types import pipeline
from tiny_build import questions, tiny_build

from pipelines.compiler.columns import NameFault
from pipelines.compiler.pipeline import Pipeline
from pipelines.run.runner import Runner


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return questions(tmp_path_factory.mktemp("source") / "sums.jsonl")


def give(
    name: str, of: str = "sample", where: str | None = None, replaces: tuple[str, ...] = (), **columns: str
) -> Any:
    section: dict[str, Any] = {"as": name, "of": of, "columns": columns, "replaces": replaces}
    return "give", section | ({"where": where} if where else {})


def rows(runner: Runner, unit: str, *columns: str) -> dict[str, tuple[Any, ...]]:
    """The current rows of a unit at the end of the pipeline, of all buckets, by id."""
    names, found = runner.pipeline.names, {}
    node = names.node(unit)
    sources = {name: names.find(node, tuple(name.split(".")), text=True) for name in columns}
    for bucket in range(runner.record.buckets):
        table = runner.tables.current(node, sources, bucket, len(runner.pipeline.steps))
        found |= {row[0]: row[1:] for row in table.select("id", *columns).iter_rows()}
    return found


def run(root: Path, source: Path, steps: Pipeline, **more: Any) -> Runner:
    runner = Runner(tiny_build(root, source, **more), steps)
    runner.run_all()
    return runner


def test_two_steps_with_disjoint_where_that_give_one_column_lose_no_row(tmp_path: Path, source: Path) -> None:
    steps = pipeline(
        give("a", where="length(answer) = 1", size="'short'"),
        give("b", where="length(answer) > 1", replaces=("size",), size="'long'"),
    )
    found = rows(run(tmp_path, source, steps, buckets=4), "sample", "answer", "size")
    assert len(found) == 12
    assert all(size == ("short" if len(answer) == 1 else "long") for answer, size in found.values())


def test_a_null_that_a_step_wrote_counts(tmp_path: Path, source: Path) -> None:
    steps = pipeline(give("a", x="question"), give("b", where="answer = '4'", replaces=("x",), x="NULL::VARCHAR"))
    found = rows(run(tmp_path, source, steps), "sample", "answer", "x")
    assert sorted(answer for answer, x in found.values() if x is None) == ["4"]


def test_rows_go_with_their_parents_and_are_counted_on_a_line_of_their_own(tmp_path: Path, source: Path) -> None:
    steps = pipeline(("make", {"n": 2}), ("cut", {"when": "answer = '4'"}), give("t", of="trace", y="text"))
    runner = run(tmp_path, source, steps, buckets=4)
    assert len(rows(runner, "trace", "y")) == 22
    record = runner.record.step("t")
    assert record is not None
    assert (record["in"], record["kept"], record["gone"], record["dropped"]) == (22, 22, 2, {})


def test_the_record_is_the_whole_truth_of_what_is_fresh(tmp_path: Path, source: Path) -> None:
    steps = (give("a", x="question"), ("make", {"n": 2}), give("t", of="trace", y="text || x"))
    run(tmp_path, source, pipeline(*steps), buckets=4)
    again = Runner(tiny_build(tmp_path, source, buckets=4), pipeline(*steps))
    assert again.stale() == []
    other = Runner(tiny_build(tmp_path, source, buckets=4), pipeline(give("a", x="question || '!'"), *steps[1:]))
    assert [step.name for step in other.stale()] == ["a"]
    before = {name: json.dumps(other.record.step(name)) for name in ("make", "t")}
    other.run_all()
    assert [name for name, record in before.items() if record != json.dumps(other.record.step(name))] == ["t"]


def test_a_step_between_others_leaves_unrelated_ones_fresh(tmp_path: Path, source: Path) -> None:
    steps = (give("a", x="question"), ("make", {"n": 2}), give("t", of="trace", y="text || x"))
    run(tmp_path, source, pipeline(*steps))
    inserted = pipeline(steps[0], give("new", z="length(x)"), *steps[1:])
    assert [s.name for s in Runner(tiny_build(tmp_path, source), inserted).stale()] == ["new"]


def test_a_column_that_comes_out_the_same_wakes_nobody(tmp_path: Path, source: Path) -> None:
    def steps(text: str) -> Pipeline:
        return pipeline(give("a", x=text), give("b", y="x"))

    run(tmp_path, source, steps("upper(question)"))
    runner = Runner(tiny_build(tmp_path, source), steps("upper(question || '')"))
    before = json.dumps(runner.record.step("b"))
    runner.run_all()
    assert json.dumps(runner.record.step("b")) == before


def test_what_a_step_kept_beside_its_rows_before_is_gone_and_what_was_lost_is_kept_again(
    tmp_path: Path, source: Path
) -> None:
    run(tmp_path, source, pipeline(("beside", {"tables": {"control": 5, "hits": 2}})))
    fewer = pipeline(("beside", {"tables": {"hits": 3}}))
    runner = run(tmp_path, source, fewer)
    folder = runner.build.folder / "beside"
    assert runner.record.tables("beside") == {"hits"}
    assert not (folder / "control.parquet").exists()
    assert pl.read_parquet(folder / "hits.parquet").height == 3
    (folder / "hits.parquet").unlink()
    again = Runner(tiny_build(tmp_path, source), fewer)
    assert [step.name for step in again.stale()] == ["beside"]
    again.run_all()
    assert pl.read_parquet(folder / "hits.parquet").height == 3


def test_one_changed_row_of_the_source_is_one_bucket_of_each_step(tmp_path: Path) -> None:
    file = questions(tmp_path / "sums.jsonl", 24)
    steps = pipeline(give("a", x="question"), ("make", {"n": 2}), give("t", of="trace", y="text || x"))
    run(tmp_path / "ws", file, steps, buckets=4)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:-1], json.dumps({"question": "What is 3 + 4?", "answer": "7"})]) + "\n")
    runner = Runner(tiny_build(tmp_path / "ws", file, buckets=4), steps)
    runner.run(steps.step("ingest"))
    stale = {name: runner.record.stale(steps.step(name)) for name in ("a", "make")}
    assert all(1 <= len(buckets) <= 2 for buckets in stale.values())  # the old row's bucket, and the new one's
    runner.run_all()
    assert runner.stale() == []


@pytest.mark.parametrize("buckets", [1, 4])
def test_rows_are_the_same_for_any_number_of_buckets(tmp_path: Path, source: Path, buckets: int) -> None:
    steps = pipeline(
        ("make", {"n": 3}), ("cut", {"of": "trace", "when": "text LIKE 'a%'"}), give("t", of="trace", y="text")
    )
    one = rows(run(tmp_path / "one", source, steps, buckets=1), "trace", "y", "answer")
    assert rows(run(tmp_path / "many", source, steps, buckets=buckets), "trace", "y", "answer") == one


_WHERE = st.sampled_from([None, "length(answer) = 1", "length(answer) > 1", "answer IN ('2', '12', '20')"])


@st.composite
def _steps(draw: st.DrawFn) -> list[tuple[str, dict[str, Any]]]:
    """Random pipelines: values given to samples and traces, overlaid under conditions, and drops of both."""
    found: list[tuple[str, dict[str, Any]]] = [
        give("base", v="'0'"),
        ("make", {"n": 2}),
        give("tbase", of="trace", w="'0'"),
    ]
    for place in range(draw(st.integers(1, 5))):
        of = draw(st.sampled_from(["sample", "trace"]))
        column = "v" if of == "sample" else "w"
        if draw(st.booleans()):
            found.append(give(f"s{place}", of=of, where=draw(_WHERE), replaces=(column,), **{column: f"'{place + 1}'"}))
        else:
            found.append(("cut", {"as": f"s{place}", "of": of, "when": draw(_WHERE) or "answer = '6'"}))
    return found


_MEETS = {
    None: lambda a: True,
    "length(answer) = 1": lambda a: len(a) == 1,
    "length(answer) > 1": lambda a: len(a) > 1,
    "answer IN ('2', '12', '20')": lambda a: a in ("2", "12", "20"),
    "answer = '6'": lambda a: a == "6",
}


def _expected(steps: list[tuple[str, dict[str, Any]]], answers: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """What a reader at the end sees of traces, one row and one step at a time."""
    for answer in answers:
        for _ in range(2):
            v, w, alive = "0", "0", True
            for kind, section in steps[3:]:
                meets = _MEETS[section.get("where") or section.get("when")](answer)
                if kind == "cut":
                    alive = alive and not meets
                elif alive and meets and section["of"] == "sample":
                    v = section["columns"]["v"].strip("'")
                elif alive and meets:
                    w = section["columns"]["w"].strip("'")
            if alive:
                yield answer, v, w, ""


@given(steps=_steps())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_overlays_and_drops_are_what_a_row_at_a_time_gives(
    tmp_path_factory: pytest.TempPathFactory, source: Path, steps: list[tuple[str, dict[str, Any]]]
) -> None:
    runner = run(tmp_path_factory.mktemp("ws"), source, pipeline(*steps), buckets=2)
    found = sorted((answer, v, w, "") for answer, v, w in rows(runner, "trace", "answer", "v", "w").values())
    assert found == sorted(_expected(steps, [str(2 * n) for n in range(12)]))
    for record in runner.record.steps():
        assert record["in"] == record["kept"] + sum(record["dropped"].values()) or record["makes"]


def test_a_name_that_nobody_gives_is_no_source() -> None:
    with pytest.raises(NameFault):
        pipeline().names.find(pipeline().names.node("sample"), ("nothing",))


def test_a_table_that_is_gone_is_computed_again(tmp_path: Path, source: Path) -> None:
    steps = pipeline(give("a", x="question"), give("b", y="x"))
    runner = run(tmp_path, source, steps)
    (tmp_path / "builds" / "tiny" / "a" / "rows-0000.parquet").unlink()
    again = Runner(tiny_build(tmp_path, source), steps)
    assert [step.name for step in again.stale()] == ["a"]
    again.run_all()
    assert rows(again, "sample", "y") == rows(runner, "sample", "y")


def test_empty_buckets_have_their_columns(tmp_path: Path, source: Path) -> None:
    runner = run(tmp_path, source, pipeline(give("a", x="length(question)")), buckets=64)
    table = pl.read_parquet(tmp_path / "builds" / "tiny" / "a" / "rows-0063.parquet")
    assert table.schema == {"id": pl.String, "x": pl.Int64}
    assert len(rows(runner, "sample", "x")) == 12


def test_what_a_kill_left_half_written_is_not_taken_for_what_it_was(tmp_path: Path, source: Path) -> None:
    """A part is written anew with as many bytes, and the build dies before it can be recorded; then the recipe goes back."""

    class Killed(Exception):  # noqa: N818
        pass

    old, new = pipeline(give("a", x="'1'"), give("b", y="x")), pipeline(give("a", x="'2'"), give("b", y="x"))
    run(tmp_path, source, old)
    runner = Runner(tiny_build(tmp_path, source), new)

    def put(*_: Any) -> None:
        raise Killed

    runner.record.put = put  # type: ignore[method-assign]
    with pytest.raises(Killed):
        runner.run_all()
    again = run(tmp_path, source, old)
    assert {x for (x,) in rows(again, "sample", "x").values()} == {"1"}


def test_another_number_of_buckets_leaves_no_part_of_the_old_one(tmp_path: Path, source: Path) -> None:
    steps = pipeline(give("a", x="question"), ("make", {"n": 2}))
    run(tmp_path, source, steps, buckets=8)
    one = run(tmp_path, source, steps, buckets=2)
    assert len(rows(one, "trace", "text")) == 24
    assert sorted(p.name for p in (tmp_path / "builds" / "tiny" / "make").glob("rows-*")) == [
        "rows-0000.parquet",
        "rows-0001.parquet",
    ]


def test_a_name_that_comes_to_mean_another_column_makes_its_reader_stale(tmp_path: Path, source: Path) -> None:
    two = (give("a", x="question"), give("b", x="answer"))
    run(tmp_path, source, pipeline(*two, give("c", y="a.x", z="b.x")))
    other = Runner(tiny_build(tmp_path, source), pipeline(*two, give("c", y="b.x", z="a.x")))
    assert [step.name for step in other.stale()] == ["c"]

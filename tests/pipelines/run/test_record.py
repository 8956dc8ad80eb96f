"""What a record takes for done, and what it makes of files that are not as it left them."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from recipe_build import built, sums, write_recipe
from tiny import dropped

from pipelines.job import Job, compile_recipe, open_job
from pipelines.store.build_record import read_record
from schemas.errors import StoreError

STEPS: list[Any] = [
    {"sql": {"as": "a", "of": "sample", "gives": {"x": "question || '!'"}}},
    {"sql": {"as": "b", "of": "sample", "gives": {"y": "x || answer"}}},
]


OTHER = "steps.b.gives={y: x || answer || answer}"


def values(job: Job, *names: str) -> list[tuple[Any, ...]]:
    """The samples' columns at the end, of all buckets."""
    runner, pipeline = job.runner, job.compiled.pipeline
    node = pipeline.names.node("sample")
    sources = {name: pipeline.names.find(node, (name,), text=True) for name in names}
    tables = (runner.tables.current(node, sources, b, len(pipeline.steps)) for b in range(runner.record.buckets))
    return sorted(pl.concat(tables).select(names).rows())


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path, STEPS, sums(12))


def test_the_order_of_causes_is_part_of_a_section(tmp_path: Path) -> None:
    """The first cause that is true names the drop, so the same causes in another order drop by other names."""
    causes = {"even": "CAST(answer AS INT) % 4 = 0", "large": "CAST(answer AS INT) > 10"}
    for order in (causes, dict(reversed(causes.items()))):
        path = write_recipe(tmp_path, [{"drop": {"of": "sample", "if": order}}], sums(8))
        gone = dropped(built(path, tmp_path / "ws"), "drop")["reason"].value_counts()
        first = next(iter(order))
        assert dict(gone.iter_rows())[f"drop:{first}"] == {"even": 4, "large": 2}[first]


_DAMAGE: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: "",
    "cut off": lambda text: text[: len(text) // 2],
    "no JSON": lambda text: "{" * 100_000,
    "a list": lambda text: "[]",
    "no steps": lambda text: json.dumps({**json.loads(text), "steps": {}}),
    "steps of another shape": lambda text: json.dumps({**json.loads(text), "steps": {"a": 3, "b": {"buckets": []}}}),
    "a huge number of buckets": lambda text: json.dumps({**json.loads(text), "buckets": 10**12}),
    "buckets that are no number": lambda text: json.dumps({**json.loads(text), "buckets": "many"}),
    "a number that is none": lambda text: re.sub(r'"(kept|buckets)": [0-9]+', r'"\1": NaN', text),
    "another seal": lambda text: json.dumps({**json.loads(text), "seal": None}),
}


@pytest.mark.parametrize("how", _DAMAGE)
@pytest.mark.parametrize("file", ["build.json", "ingest/record.json", "a/record.json"])
def test_a_damaged_record_says_nothing_and_what_it_spoke_of_is_computed_again(
    tmp_path: Path, recipe: Path, how: str, file: str
) -> None:
    job = built(recipe, tmp_path / "ws")
    expected, path = values(job, "question", "y"), tmp_path / "ws" / "builds" / "tiny" / file
    path.write_text(_DAMAGE[how](path.read_text()))
    again = open_job(compile_recipe(str(recipe)), tmp_path / "ws")
    assert not again.up_to_date()
    assert values(built(recipe, tmp_path / "ws"), "question", "y") == expected


def test_a_record_that_is_anothers_is_none(tmp_path: Path, recipe: Path) -> None:
    folder = built(recipe, tmp_path / "ws").build.folder
    before = read_record(folder)
    assert before is not None
    assert list(before["steps"]) == ["ingest", "selftest", "a", "b"]
    (folder / "b" / "record.json").write_bytes((folder / "a" / "record.json").read_bytes())
    after = read_record(folder)
    assert after is not None
    assert after["steps"] == {name: found for name, found in before["steps"].items() if name != "b"}


def test_a_step_that_ends_writes_its_own_record_alone(tmp_path: Path, recipe: Path) -> None:
    """At ten million samples a record is megabytes: what did not change is not written again."""
    folder = built(recipe, tmp_path / "ws").build.folder
    before = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/record.json")}
    assert set(before) == {"ingest", "selftest", "a", "b"}
    built(recipe, tmp_path / "ws", OTHER)
    after = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/record.json")}
    assert {name for name in after if after[name] != before[name]} == {"b"}


def test_only_rows_are_written_where_there_are_none(tmp_path: Path) -> None:
    """Of eight thousand buckets most steps drop nothing in most, so a file for that each time would be half of a build's."""
    recipe = write_recipe(tmp_path, [{"drop": {"of": "sample", "if": {"never": "false"}}}], sums(8))
    folder = built(recipe, tmp_path / "ws").build.folder
    assert sorted(path.name for path in folder.glob("*/*-*.parquet")) == ["rows-0000.parquet"] * 3


def test_a_part_that_is_anothers_of_the_same_size_is_found_before_it_is_read(tmp_path: Path, recipe: Path) -> None:
    built(recipe, tmp_path / "ws")
    folder = tmp_path / "ws" / "builds" / "tiny"
    part = folder / "a" / "rows-0000.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    job = open_job(compile_recipe(str(recipe), (OTHER,)), tmp_path / "ws")
    with pytest.raises(StoreError, match=rf"^{part} is damaged. Delete it and build its recipe again"):
        job.rows("sample")
    again = built(recipe, tmp_path / "ws", OTHER)
    assert part.read_bytes() == whole
    assert values(again, "y") == values(built(recipe, tmp_path / "new", OTHER), "y")
    told = next(record for record in again.records() if record["step"] == "b")["warnings"]
    assert told == [f"{part} was damaged, and is computed anew."]


@pytest.mark.parametrize("step", ["ingest", "selftest", "a"])
@pytest.mark.parametrize("how", ["flipped", "gone", "cut off", "another's"])
def test_whatever_a_step_finds_of_its_tables_it_gives_the_same(
    tmp_path: Path, recipe: Path, step: str, how: str
) -> None:
    """A step that reads a table which is not what was written has it computed again, by the steps that wrote it."""
    expected = values(built(recipe, tmp_path / "new", OTHER), "y")
    built(recipe, tmp_path / "ws")
    folder = tmp_path / "ws" / "builds" / "tiny"
    for path in sorted((folder / step).glob("*.parquet")):
        whole = path.read_bytes()
        if how == "gone":
            path.unlink()
        elif how == "another's":
            path.write_bytes((folder / "b" / "rows-0000.parquet").read_bytes())
        else:
            path.write_bytes(whole[:150] + bytes([whole[150] ^ 4]) + (whole[151:] if how == "flipped" else b""))
        assert values(built(recipe, tmp_path / "ws", OTHER), "y") == expected
        assert path.read_bytes() == whole
        built(recipe, tmp_path / "ws")


def test_a_disk_that_damages_what_is_written_is_a_sentence(
    tmp_path: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(recipe, tmp_path / "ws")
    monkeypatch.setattr("pipelines.store.witness.file_hash", lambda path: "another")
    with pytest.raises(
        StoreError, match=r"was damaged, and is computed anew. It has happened \d times in this build: check"
    ):
        built(recipe, tmp_path / "ws", OTHER)


@pytest.mark.parametrize("cut", [True, False], ids=["cut off", "of another build"])
def test_a_table_beside_the_rows_is_known_again_too(tmp_path: Path, recipe: Path, cut: bool) -> None:
    built(recipe, tmp_path / "ws")
    table = tmp_path / "ws" / "builds" / "tiny" / "selftest" / "verifiers.parquet"
    whole = table.read_bytes()
    table.write_bytes(whole[:100] if cut else whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    release = "- release: {trainer: null, rl: {of: sample}}\n"
    recipe.write_text(recipe.read_text() + release)
    built(recipe, tmp_path / "ws")
    assert table.read_bytes() == whole


def test_a_part_that_was_cut_off_is_computed_again(tmp_path: Path, recipe: Path) -> None:
    expected = values(built(recipe, tmp_path / "ws"), "y")
    part = tmp_path / "ws" / "builds" / "tiny" / "a" / "rows-0000.parquet"
    os.truncate(part, part.stat().st_size // 2)
    assert values(built(recipe, tmp_path / "ws"), "y") == expected


def test_a_sources_kill_between_its_parts_and_its_record_leaves_nothing_that_counts(
    tmp_path: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that were written anew and never recorded must not pass for those of the record, should the file change back."""
    expected = values(built(recipe, tmp_path / "ws"), "question")
    rows = (tmp_path / "rows.jsonl").read_text()
    (tmp_path / "rows.jsonl").write_text(rows.replace("What is 3", "What is 7"))
    job = open_job(compile_recipe(str(recipe)), tmp_path / "ws")
    runner = job.runner

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(runner.record, "put", killed)
    with pytest.raises(Killed):
        runner.run(job.compiled.pipeline.steps[0])
    (tmp_path / "rows.jsonl").write_text(rows)
    assert values(built(recipe, tmp_path / "ws"), "question") == expected


def test_samples_that_a_step_of_the_same_name_retired_once_live_again(tmp_path: Path) -> None:
    """A step that no longer retires samples leaves no table behind that says so."""
    made = {
        "sql": {
            "as": "mk",
            "of": "sample",
            "makes": "trace",
            "select": "SELECT id AS parent_id, answer AS final FROM rows",
        }
    }
    golds = {"of": "mk", "answer": "final", "question": "question", "kind": "number"}
    retiring = [made, {"promote": {"as": "p", **golds, "parents": "retire"}}]
    staying = [made, {"promote": {"as": "p", **golds, "parents": "stay"}}]
    recipe = write_recipe(tmp_path, retiring, sums(4))
    assert len(values(built(recipe, tmp_path / "ws"), "id")) == 4
    recipe = write_recipe(tmp_path, staying, sums(4))
    assert values(built(recipe, tmp_path / "ws"), "id") == values(built(recipe, tmp_path / "new"), "id")

"""A job brings everything up to date that its recipe, its sources and its workspace have outdated."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from recipe_build import built, sums, write_recipe

from pipelines.compiler.pipeline import Step
from pipelines.job import Job, compile_recipe, open_job
from pipelines.run.runner import Runner
from schemas.errors import StepError

STEPS: list[Any] = [
    {
        "sql": {
            "as": "mk",
            "of": "sample",
            "makes": "trace",
            "select": "SELECT id AS parent_id, answer AS final FROM rows",
        }
    },
    "verify",
    {"drop": {"of": "trace", "if": {"long": "length(final) > 1"}}},
    {"release": {"rl": {"of": "sample"}}},
]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path, STEPS, sums(16))


def manifest(job: Job) -> dict[str, Any]:
    assert job.release is not None
    found: dict[str, Any] = json.loads((job.release / "manifest.json").read_text())
    return found


@pytest.mark.parametrize("condition", ["{lengthy: length(final) > 1}", "{long: length(final) > 3}"])
def test_a_release_tells_of_the_drops_of_this_build(tmp_path: Path, recipe: Path, condition: str) -> None:
    """What a release says was dropped, and why, is what is dropped now, though its rows come out the same."""

    def drops(workspace: str, *overrides: str) -> Any:
        return next(
            s for s in manifest(built(recipe, tmp_path / workspace, *overrides))["steps"] if s["step"] == "drop"
        )

    before, override = drops("ws"), f"steps.drop.if={condition}"
    assert drops("ws", override) == drops("other", override) != before


def test_the_drops_of_a_release_have_the_evidence_of_this_build(tmp_path: Path, recipe: Path) -> None:
    built(recipe, tmp_path / "ws")
    other = "steps.drop.if={long: length(final) > 1 AND final <> id}"
    tables = [built(recipe, tmp_path / name, other).release for name in ("ws", "other")]
    again, fresh = (pl.read_parquet(table / "dropped.parquet") for table in tables if table is not None)
    assert again.equals(fresh)


def test_a_release_is_the_same_for_any_number_of_buckets(tmp_path: Path, recipe: Path) -> None:
    contents = {manifest(built(recipe, tmp_path / str(buckets), buckets=buckets))["content"] for buckets in (1, 4)}
    assert len(contents) == 1


def test_nothing_is_written_again_where_nothing_changed(tmp_path: Path, recipe: Path) -> None:
    built(recipe, tmp_path / "ws")
    assert open_job(compile_recipe(str(recipe)), tmp_path / "ws").up_to_date()


def test_a_release_that_is_gone_is_written_again_by_a_runner_that_reads_the_record(
    tmp_path: Path, recipe: Path
) -> None:
    """Tasks of a flow read the record from the disk, so that the step is outdated has to stand there."""
    job = built(recipe, tmp_path / "ws")
    assert job.release is not None
    shutil.rmtree(job.release)
    again = open_job(compile_recipe(str(recipe)), tmp_path / "ws")
    again.run(lambda runner, step: open_job(again.compiled, tmp_path / "ws").runner.run(step))
    assert again.release is not None


def test_a_gold_unfolds_as_it_was_published(tmp_path: Path) -> None:
    steps = [{"unfold": {"as": "given", "column": "answer", "makes": "trace"}}]
    job = built(write_recipe(tmp_path, steps, sums(4)), tmp_path / "ws")
    table = job.runner.tables.scan("given", "rows", 0)
    assert table is not None
    assert sorted(table.collect()["text"]) == ["0", "2", "4", "6"]


def test_a_failed_build_shows_the_steps_that_it_came_through(tmp_path: Path, recipe: Path) -> None:
    """What lies behind the step that failed is of the build before, and says nothing of this one."""
    whole = built(recipe, tmp_path / "ws")
    assert [record["step"] for record in whole.finished()] == ["ingest", "selftest", "mk", "verify", "drop", "release"]
    other = open_job(compile_recipe(str(recipe), ["steps.drop.if={long: length(final) > 3}"]), tmp_path / "ws")

    def fail(runner: Runner, step: Step) -> None:
        if step.name == "drop":
            raise StepError("lost")
        runner.run(step)

    with pytest.raises(StepError):
        other.run(fail)
    assert [record["step"] for record in other.finished()] == ["ingest", "selftest", "mk", "verify"]
    assert [record["step"] for record in other.records()][-1] == "release", "of the build before"

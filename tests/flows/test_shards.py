"""Buckets of a step as tasks of Prefect: the same tables as in one process, whatever fails where they run."""

from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.testing.utilities import prefect_test_harness
from recipe_build import sums, write_recipe

from flows import shards
from flows.job import job_of
from flows.shards import Submitted
from schemas.errors import StepError

STEPS = [{"sql": {"as": "sized", "of": "sample", "gives": {"letters": "length(question)"}}}]


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Any:
    with prefect_test_harness():
        yield


def built(recipe: Path, workspace: Path, sharing: Submitted | None) -> Any:
    job = job_of({"name": str(recipe)}, str(workspace), sharing=sharing, buckets=8)
    job.run()
    return job.rows("sample").rows()


def submitted(recipe: Path, workspace: Path) -> Any:
    @flow(persist_result=False)
    def build() -> Any:
        sharing = Submitted({"name": str(recipe)}, str(workspace), {"buckets": 8})
        return built(recipe, workspace, sharing)

    return build()


def test_tasks_make_what_one_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PIECES", 3)
    recipe = write_recipe(tmp_path / "recipe", STEPS, sums(40))
    expected = built(recipe, tmp_path / "one", None)
    asked: list[Any] = []
    opened = shards._opened
    monkeypatch.setattr(shards, "_opened", lambda *build: asked.append(build) or opened(*build))
    assert submitted(recipe, tmp_path / "many") == expected
    assert len(asked) == 2 * 3, "the self-test and the step, in three pieces each"


def test_what_a_worker_cannot_compute_is_computed_by_the_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path / "recipe", STEPS, sums(40))
    expected = built(recipe, tmp_path / "one", None)

    def another(*build: str) -> Any:
        raise StepError("it is another here")

    monkeypatch.setattr(shards, "_opened", another)
    assert submitted(recipe, tmp_path / "many") == expected


def test_a_lost_worker_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path / "recipe", STEPS, sums(40))

    def lost(*build: str) -> Any:
        raise OSError("the worker is gone")

    monkeypatch.setattr(shards, "_opened", lost)
    with pytest.raises(StepError, match="Step 'selftest': a piece of it was lost on its workers: the worker is gone"):
        submitted(recipe, tmp_path / "many")

"""Buckets of a step as tasks of Prefect: the same tables as in one process, whatever fails where they run."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect import flow
from recipe_build import sums, write_recipe

from flows import shards
from flows.job import job_of
from flows.shards import LEAST_S, MOST_S, Submitted, size_of
from schemas.errors import StepError

pytestmark = pytest.mark.usefixtures("quiet_prefect")
STEPS = [{"sql": {"as": "sized", "of": "sample", "gives": {"letters": "length(question)"}}}]


def built(recipe: Path, workspace: Path, **how: Any) -> Any:
    job = job_of({"name": str(recipe)}, str(workspace), buckets=8, **how)
    records = job.run()
    return job.rows("sample").rows(), records


def submitted(recipe: Path, workspace: Path) -> Any:
    @flow(persist_result=False)
    def build() -> Any:
        return built(recipe, workspace, sharing=partial(Submitted, slots=lambda: 2))

    return build()


def test_tasks_make_what_one_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path / "recipe", STEPS, sums(40))
    expected, _ = built(recipe, tmp_path / "one")
    asked: list[bytes] = []
    opened = shards._opened

    def counted(opening: bytes) -> Any:
        asked.append(opening)
        return opened(opening)

    monkeypatch.setattr(shards, "_opened", counted)
    found, records = submitted(recipe, tmp_path / "many")
    assert found == expected
    assert len(asked) == 3 * 2, "the way in, the self-test and the step are short: a task a worker"
    assert not any(record["warnings"] for record in records)


def test_what_a_worker_cannot_compute_is_computed_by_the_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path / "recipe", STEPS, sums(40))
    expected, _ = built(recipe, tmp_path / "one")

    def another(*build: bytes) -> Any:
        raise StepError("it is another here")

    monkeypatch.setattr(shards, "_opened", another)
    found, records = submitted(recipe, tmp_path / "many")
    assert found == expected
    assert "it is another here" in records[-1]["warnings"][0]


def test_a_lost_worker_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path / "recipe", STEPS, sums(40))

    def lost(*build: bytes) -> Any:
        raise OSError("the worker is gone")

    monkeypatch.setattr(shards, "_opened", lost)
    with pytest.raises(StepError, match=r"Step '\w+': a piece of it was lost on its workers: the worker is gone"):
        submitted(recipe, tmp_path / "many")


def test_a_long_task_ends_in_time_and_others_take_what_it_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe(tmp_path / "recipe", STEPS, sums(40))
    expected, _ = built(recipe, tmp_path / "one")
    took: list[int] = []
    did = shards.Did

    def noted(found: Any, *more: Any) -> Any:
        took.append(len(found))
        return did(found, *more)

    monkeypatch.setattr(shards, "Did", noted)
    for name in ("FIRST_S", "LEAST_S", "MOST_S"):
        monkeypatch.setattr(shards, name, 0.0)
    found, _ = submitted(recipe, tmp_path / "many")
    assert found == expected
    assert took == [1] * 8 * 3, "each ends after the bucket at which its time is over"


@given(left=st.integers(1, 10_000), sent=st.integers(0, 5_000), pace=st.floats(1e-4, 1e4), slots=st.integers(1, 600))
def test_a_task_takes_its_share_within_its_seconds(left: int, sent: int, pace: float, slots: int) -> None:
    size = size_of(left, sent, pace, slots)
    assert 1 <= size <= left
    assert size == 1 or size * pace <= MOST_S * 1.001
    assert size_of(left, sent, 0.0, slots) == min(left, -(-(left + sent) // slots)), "nobody knows: all at once, evenly"
    assert (size - 1) * slots < left or size * pace <= LEAST_S * 1.001, "the others have work as well"
    assert size * pace >= LEAST_S - pace or size in (left, -(-left // slots))


def test_tasks_become_smaller_towards_the_end() -> None:
    left, sizes = 2400, []
    while left:
        sizes.append(size_of(left, 0, 1.5, 16))
        left -= sizes[-1]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1], len(sizes) < 200) == (40, 1, True)

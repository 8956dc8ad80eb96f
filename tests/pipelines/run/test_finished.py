"""A build that ends in the middle of a step goes on from the buckets that were finished."""

import json
from pathlib import Path
from typing import Any

import pytest
from step_types import pipeline
from tiny_build import questions, tiny_build

from pipelines.run import runner as runners
from pipelines.run.bucket import compute
from pipelines.run.finished import NAME, Finished
from pipelines.run.runner import Runner

STEPS = (("give", {"as": "a", "of": "sample", "columns": {"x": "length(question)"}}),)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return questions(tmp_path / "sums.jsonl", 40)


def interrupted(root: Path, source: Path, monkeypatch: pytest.MonkeyPatch, steps: Any = STEPS) -> list[int]:
    """Build until the third bucket of a step has been computed; the buckets that were."""
    seen: list[int] = []

    def dies(context: Any, bucket: int, *more: Any) -> Any:
        if context.name == "a" and len(seen) == 3:
            raise KeyboardInterrupt
        found = compute(context, bucket, *more)
        if context.name == "a":
            seen.append(bucket)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(runners, "compute", dies)
        with pytest.raises(KeyboardInterrupt):
            Runner(tiny_build(root, source, buckets=8), pipeline(*steps)).run_all()
    return seen


def computed(root: Path, source: Path, monkeypatch: pytest.MonkeyPatch, steps: Any = STEPS) -> list[int]:
    """Build to the end; the buckets that were computed of the step."""
    seen: list[int] = []

    def counts(context: Any, bucket: int, *more: Any) -> Any:
        if context.name == "a":
            seen.append(bucket)
        return compute(context, bucket, *more)

    with monkeypatch.context() as patch:
        patch.setattr(runners, "compute", counts)
        Runner(tiny_build(root, source, buckets=8), pipeline(*steps)).run_all()
    return seen


def contents(root: Path, source: Path) -> Any:
    record = Runner(tiny_build(root, source, buckets=8), pipeline(*STEPS)).record.step("a")
    assert record is not None
    return {name: part["contents"] for name, part in record["buckets"].items()}, record["kept"]


def test_only_buckets_that_were_not_finished_are_computed(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = interrupted(tmp_path / "out", source, monkeypatch)
    assert computed(tmp_path / "out", source, monkeypatch) == sorted(set(range(8)) - set(first))
    assert not list((tmp_path / "out").rglob(NAME))
    assert computed(tmp_path / "out", source, monkeypatch) == []
    computed(tmp_path / "whole", source, monkeypatch)
    assert contents(tmp_path / "out", source) == contents(tmp_path / "whole", source)


def test_a_changed_step_is_computed_anew(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path / "out", source, monkeypatch)
    other = (("give", {"as": "a", "of": "sample", "columns": {"x": "length(question) + 1"}}),)
    assert computed(tmp_path / "out", source, monkeypatch, other) == list(range(8))


def test_a_finished_bucket_whose_table_is_gone_is_computed_anew(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = interrupted(tmp_path / "out", source, monkeypatch)
    (lost,) = (tmp_path / "out").rglob(f"a/rows-{first[0]:04d}.parquet")
    lost.unlink()
    assert computed(tmp_path / "out", source, monkeypatch) == sorted({*range(8)} - {*first[1:]})


def test_a_line_that_was_cut_short_is_none(tmp_path: Path) -> None:
    finished = Finished(tmp_path, "f")
    assert finished.read() == {}
    finished.add(3, {"kept": 1})
    Finished(tmp_path, "g").add(4, {"kept": 1})
    with (tmp_path / NAME).open("a") as file:
        file.write(json.dumps(["f", "5", {"kept": 1}])[:-4])
    assert finished.read() == {"3": {"kept": 1}}
    finished.clear()
    assert finished.read() == {} and not (tmp_path / NAME).exists()

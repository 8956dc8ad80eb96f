"""A step of many rows shows how far it is, although it asks no model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from step_types import pipeline
from tiny_build import questions, tiny_build

from pipelines.run import body, progress
from pipelines.run.receipt import Receipt
from pipelines.run.runner import Runner


def reported(
    root: Path, *steps: tuple[str, dict[str, Any]], rows: int = 10, of: str | None = "give"
) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []

    def note(step: str, receipt: Receipt) -> None:
        found.append((step, receipt.samples, receipt.total))

    build = tiny_build(root / "out", questions(root / "sums.jsonl", rows), buckets=1)
    Runner(replace(build, progress=note), pipeline(*steps)).run_all()
    return [one for one in found if of is None or one[0] == of]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PIECE", 4)
    monkeypatch.setattr(progress, "PIECE", 4)


def test_rows_are_reported_a_piece_at_a_time(tmp_path: Path) -> None:
    found = reported(tmp_path, ("give", {"columns": {"x": "question"}}))
    assert found == [("give", 4, 10), ("give", 8, 10), ("give", 10, 10)]


def test_rows_that_were_dropped_count_as_there_at_most(tmp_path: Path) -> None:
    found = reported(tmp_path, ("cut", {"when": "answer = '4'"}), ("give", {"columns": {"x": "question"}}))
    assert found[-1] == ("give", 9, 10)


def test_a_step_of_few_rows_reports_nothing(tmp_path: Path) -> None:
    assert reported(tmp_path, ("give", {"columns": {"x": "question"}}), rows=4, of=None) == []


def test_sources_are_reported_batch_by_batch(tmp_path: Path) -> None:
    found = reported(tmp_path, ("give", {"columns": {"x": "question"}}), of="ingest")
    assert found[-1] == ("ingest", 10, 10)


def test_a_step_of_all_rows_says_that_it_began_and_what_is_written(tmp_path: Path) -> None:
    found = reported(tmp_path, ("beside", {"tables": {"first": 2}}), of="beside")
    assert found == [("beside", 0, 10), ("beside", 10, 10)]

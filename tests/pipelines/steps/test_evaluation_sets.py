"""Evaluation sets are read once, and kept without their images and answers."""

import json
import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flips import SLOW, in_turn
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from filters.decontaminate.benchmarks import BENCHMARK
from pipelines.ingest.ingest import IngestConfig
from pipelines.sources.source import Source
from pipelines.steps.evaluation_sets import evaluation_tables, ready, shown, unread
from pipelines.store.media import MediaStore
from pipelines.store.scratch import scratch
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError


@pytest.fixture
def build(tmp_path: Path) -> Any:
    workspace = Workspace(tmp_path / "out")
    return SimpleNamespace(workspace=workspace, media=MediaStore(workspace.media), replay=False)


def exam(folder: Path, *rows: dict[str, Any]) -> list[tuple[str, Any]]:
    (folder / "exam.jsonl").write_text("\n".join(map(json.dumps, rows)))
    section = {"type": "jsonl", "name": "exam", "path": str(folder / "exam.jsonl")}
    return [("exam", TypeAdapter(Source).validate_python(section))]


def asked(folder: Path, question: str, colour: tuple[int, int, int]) -> dict[str, Any]:
    image = folder / f"{question}.png"
    Image.new("RGB", (16, 16), colour).save(image)
    return {"question": question, "answer": "", "image": str(image)}


def test_a_set_is_read_once_and_none_of_its_images_is_kept(build: Any, tmp_path: Path) -> None:
    rows = [
        asked(tmp_path, "red", (255, 0, 0)),
        asked(tmp_path, "blue", (0, 0, 255)),
        {"question": "Why?", "answer": "x"},
    ]
    sources = exam(tmp_path, *rows)
    assert len(unread(build, sources)) == 1
    table = evaluation_tables(build, sources, None)
    assert table.schema == BENCHMARK and table.height == 3 and len(shown(table)) == 2
    assert unread(build, sources) == []
    for image in tmp_path.glob("*.png"):
        image.unlink()
    assert evaluation_tables(build, sources, None).equals(table)
    kept = [path.suffix for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert kept == [".parquet"]


def test_what_a_killed_reader_left_is_gone_with_the_next_reading(build: Any, tmp_path: Path) -> None:
    """Whatever the clock says: it is the lock of a folder that tells whether somebody reads in it."""
    left = build.workspace.evaluation_sets / ".scratch" / "killed"
    left.mkdir(parents=True)
    with scratch(build.workspace.evaluation_sets) as living:
        os.utime(living, (0, 0))
        evaluation_tables(build, exam(tmp_path, {"question": "Why?", "answer": "x"}), None)
        assert not left.exists() and living.exists()


def test_another_file_is_another_set(build: Any, tmp_path: Path) -> None:
    evaluation_tables(build, exam(tmp_path, {"question": "Why?", "answer": "x"}), None)
    assert len(unread(build, exam(tmp_path, {"question": "How?", "answer": "x"}))) == 1


def test_an_image_beyond_the_limits_is_not_compared_and_its_question_is(
    build: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        table = evaluation_tables(
            build, exam(tmp_path, asked(tmp_path, "red", (9, 9, 9))), None, IngestConfig(min_side=20)
        )
    assert table["images"].list.len().to_list() == [1] and len(shown(table)) == 0
    assert "1 of 1 images cannot be read" in caplog.text


def test_a_set_without_rows_keeps_nothing_out_and_is_an_error(build: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exam"):
        evaluation_tables(build, exam(tmp_path), None)


def test_ready_entries_are_sources() -> None:
    assert {name for name, _ in ready(["MathVista"])} == {"MathVista"}
    with pytest.raises((ConfigError, ValidationError)):
        ready(["MathVisto"])


def check_flips(build: Any, folder: Path, number: int, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged table is known, and its source is read again."""
    sources = exam(folder, asked(folder, "red", (255, 0, 0)), {"question": "Why?", "answer": "x"})
    whole = evaluation_tables(build, sources, None)
    [path] = build.workspace.evaluation_sets.glob("*.parquet")
    for turn, _ in enumerate(in_turn([path], number, "exam", "evaluation set")):
        assert len(unread(build, sources)) == 1
        if turn < 3:
            assert evaluation_tables(build, sources, None).equals(whole)
            assert caplog.messages[-1] == f"{path} is damaged, and its source is read again."
    assert evaluation_tables(build, sources, None).equals(whole)
    assert list(build.workspace.evaluation_sets.glob("*.parquet")) == [path]


def test_a_flipped_bit_of_a_set_is_found(build: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check_flips(build, tmp_path, 5, caplog)


@pytest.mark.slow
def test_hundreds_of_flipped_bits_of_a_set_are_found(
    build: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_flips(build, tmp_path, SLOW["evaluation set"], caplog)

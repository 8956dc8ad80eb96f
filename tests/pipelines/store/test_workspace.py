"""The workspace as a folder: for whom it is, and what of it a power cut leaves."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from pipelines.store import workspace
from pipelines.store.journal_lines import set_aside
from pipelines.store.part_folder import PartFolder
from pipelines.store.workspace import Workspace


@pytest.fixture
def open_to_all() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_new_workspace_is_for_its_owner_alone(tmp_path: Path, open_to_all: None) -> None:
    Workspace(tmp_path / "some" / "out").prepare("r")
    assert stat.S_IMODE((tmp_path / "some" / "out").stat().st_mode) == 0o700


def test_one_that_was_opened_to_others_stays_so(tmp_path: Path, open_to_all: None) -> None:
    (tmp_path / "out").mkdir(mode=0o750)
    Workspace(tmp_path / "out").prepare("r")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750


def test_what_cannot_be_made_again_lasts_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, folders = list[int](), list[Path]()
    monkeypatch.setattr(workspace.os, "fsync", synced.append)
    monkeypatch.setattr(workspace, "sync_folder", folders.append)
    for lasting in (False, True):
        with workspace.replacing(tmp_path / "file", lasting=lasting) as temporary:
            temporary.write_text("x")
        assert (tmp_path / "file").read_text() == "x"
        assert (len(synced), folders) == (1 + lasting, [tmp_path] * lasting)
    PartFolder(tmp_path / "log", "log", lambda found: True).write(pl.DataFrame({"key": ["a"]}))
    set_aside(tmp_path / "journal-0.jsonl", [(b"odd\n", "odd")])
    assert folders == [tmp_path, tmp_path / "log", tmp_path]

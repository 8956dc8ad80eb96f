"""The workspace as a folder: for whom it is."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

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

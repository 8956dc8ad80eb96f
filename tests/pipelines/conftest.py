"""What tests of whole builds share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from proven import proven


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a finished folder's workspace, so that a test may go on from there."""

    def copy(finished: Path) -> Path:
        shutil.copytree(finished / "out", tmp_path / "out")
        return tmp_path / "out"

    return copy


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small release with a table of every kind (`proven`), which a test must not change."""
    return proven(tmp_path_factory.mktemp("made"))


@pytest.fixture
def release(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged or forged."""
    copy = tmp_path / "proven" / "v1"
    shutil.copytree(made, copy)
    return copy

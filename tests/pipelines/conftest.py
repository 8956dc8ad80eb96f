"""What tests of whole builds share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a finished folder's workspace, so that a test may go on from there."""

    def copy(finished: Path) -> Path:
        shutil.copytree(finished / "out", tmp_path / "out")
        return tmp_path / "out"

    return copy

"""Set before any library reads it: the same defaults as the command's, and no hub. No wall-clock asserts."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("curate", deadline=None)
settings.load_profile("curate")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many bits were flipped, by kind of file (`tests/support/flips.py`)."""
    if (flips := sys.modules.get("flips")) and (found := flips.FLIPPED):
        kinds = ", ".join(f"{number:,} of {kind}" for kind, number in sorted(found.items()))
        terminalreporter.write_line(f"{found.total():,} bits flipped: {kinds}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small file system of its own; needs root."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a tmpfs needs root")
        return place

    yield mount
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)

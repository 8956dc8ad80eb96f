"""Scratch folders are private while their process lives, and gone when it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.store.scratch import SCRATCH, abandoned, scratch

HOLD = """
import sys
from pathlib import Path
from pipelines.store.scratch import scratch
with scratch(Path(sys.argv[1])) as folder:
    (folder / "spilled").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""

CROWD = """
import sys
from pathlib import Path
from pipelines.store.scratch import scratch
for i in range(100):
    with scratch(Path(sys.argv[1])) as folder:
        (folder / "spilled").write_text("x")
        assert (folder / "spilled").read_text() == "x"
"""


def start(script: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)


def test_it_goes_with_its_block(tmp_path: Path) -> None:
    with scratch(tmp_path) as folder, scratch(tmp_path) as other:
        assert folder != other
        (folder / "inside").mkdir()
    with pytest.raises(RuntimeError), scratch(tmp_path):
        raise RuntimeError
    assert not list((tmp_path / SCRATCH).iterdir())


def test_what_a_dead_process_left_goes_and_a_living_one_keeps_its_own(tmp_path: Path) -> None:
    holder = start(HOLD, tmp_path)
    assert holder.stdin and holder.stdout
    held = Path(holder.stdout.readline().strip())
    assert not list(abandoned(tmp_path / SCRATCH))
    with scratch(tmp_path):
        assert (held / "spilled").is_file(), "its owner lives"
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    assert list(abandoned(tmp_path / SCRATCH)) == [held]
    with scratch(tmp_path):
        assert not held.exists()


def test_many_processes_may_make_and_sweep_at_once(tmp_path: Path) -> None:
    crowd = [start(CROWD, tmp_path) for _ in range(3)]
    assert [process.communicate()[0] for process in crowd] == [""] * 3
    assert [process.returncode for process in crowd] == [0] * 3
    assert not list((tmp_path / SCRATCH).iterdir())

"""The system refuses what the engines of tables (polars, DuckDB, Arrow) write and read by themselves, of which no hook of
Python is told. A limit of the process refuses it here. Then the same command ends as if nothing had been."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "support" / "limited_build.py"


def faults(folder: Path, cases: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """What a build says in each case; the next one, without its limit, comes to what an undisturbed one does."""
    if resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY:
        pytest.skip("the size of files is limited here")
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), json.dumps(cases)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(PROGRAM.parent)))},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == len(cases), done.stderr
    for case in found:
        assert case["same"], case
        assert case["said"] is None or "\n" not in case["said"], case["said"]
    return found


def test_a_build_whose_files_may_not_grow(tmp_path: Path) -> None:
    (found,) = faults(tmp_path, [("FSIZE", 15_000)])
    assert "a file may not grow as large as this" in found["said"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_builds_within_every_limit(tmp_path: Path) -> None:
    found = faults(tmp_path, [("FSIZE", size) for size in (0, *(int(600 * 1.25**n) for n in range(24)))])
    assert sum(case["said"] is not None for case in found) >= 15

"""Kill -9, twenty times: nothing that was answered is lost or asked twice, and the build ends."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from pipelines.build import records, run_build, up_to_date
from pipelines.road.stages import road
from pipelines.store.completions import CompletionsLog

KILLS = 20
SAMPLES = 120
BUILD = """
import sys
from pathlib import Path
from pipelines.build import run_build
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.store.workspace import Workspace
folder = Path(sys.argv[1])
run_build(Build(load_recipe(str(folder / "tiny.yaml"), ["models.vlm.concurrency=16"]), Workspace(folder / "out")))
"""


def answered(folder: Path) -> int:
    """Completions on disk: whole journal lines and parts."""
    root = folder / "out" / "log" / "completions"
    lines = sum(p.read_bytes().count(b"\n") for p in root.glob("journal-*.jsonl"))
    return lines + CompletionsLog(root).scan().select(pl.len()).collect().item()


def kill_while_asking(folder: Path, chance: random.Random) -> bool:
    """Start a build, kill it at a random moment after its first new answer; False where it ended before that."""
    before = answered(folder)
    child = subprocess.Popen([sys.executable, "-c", BUILD, str(folder)], start_new_session=True)
    while child.poll() is None:
        if answered(folder) > before:
            time.sleep(chance.random() * 0.5)
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return child.returncode == -signal.SIGKILL
        time.sleep(0.02)
    assert child.returncode == 0
    return False


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_kill_nine_at_twenty_random_moments(tmp_path: Path, tiny: SimpleNamespace) -> None:
    tiny.write_source(tmp_path, SAMPLES)
    tiny.make(tmp_path)
    chance = random.Random(20)
    kills = sum(kill_while_asking(tmp_path, chance) for _ in range(KILLS))
    run_build(tiny.make(tmp_path))
    assert up_to_date(tiny.make(tmp_path))
    keys = CompletionsLog(tmp_path / "out" / "log" / "completions").scan().select("key").collect()["key"]
    told = records(road(tiny.make(tmp_path)))
    wanted = pl.concat([pl.read_parquet(p) for p in (tmp_path / "out" / "builds" / "tiny").glob("*/wanted-*.parquet")])
    assert keys.is_unique().all(), "a key that was answered was asked again"
    assert set(keys) == set(wanted["key"])
    assert all(r["rows_in"] == r["kept"] + sum(r["dropped"].values()) for r in told)
    assert kills >= KILLS // 2, f"only {kills} of {KILLS} kills fell into the model stages; give them more to do"

    releases = []
    for number in range(2):
        replayed = tmp_path / f"replay-{number}"
        shutil.copytree(tmp_path / "out" / "log", replayed / "out" / "log")
        run_build(tiny.make(tmp_path, out=replayed / "out", replay=True))
        releases.append(tiny.digests(replayed / "out" / "releases" / "tiny" / "v1"))
    assert releases[0] == releases[1] == tiny.digests(tmp_path / "out" / "releases" / "tiny" / "v1")

"""Kill -9, twenty times: nothing that was answered is lost or asked twice, and the build ends."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import tiny

from pipelines.store.completions import CompletionsLog
from pipelines.store.step_tables import REQUESTED, part

KILLS = 20
SAMPLES = 120
BUILD = """
import sys
from pathlib import Path
from pipelines.job import compile_recipe, open_job
folder = Path(sys.argv[1])
open_job(compile_recipe(str(folder / "tiny.yaml"), ["models.vlm.concurrency=16"]), folder / "out").run()
"""


def answered(folder: Path) -> int:
    """Completions on disk: whole journal lines and parts."""
    root = folder / "out" / "log" / "completions"
    lines = sum(p.read_bytes().count(b"\n") for p in root.glob("journal-*.jsonl"))
    return lines + int(CompletionsLog(root).scan().select(pl.len()).collect().item())


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
def test_kill_nine_at_twenty_random_moments(tmp_path: Path) -> None:
    tiny.write_source(tmp_path, SAMPLES)
    tiny.job(tmp_path)
    chance = random.Random(20)
    kills = sum(kill_while_asking(tmp_path, chance) for _ in range(KILLS))
    job = tiny.built(tmp_path)
    assert tiny.job(tmp_path).up_to_date()
    keys = CompletionsLog(tmp_path / "out" / "log" / "completions").scan().select("key").collect()["key"]
    asking = [step.name for step in job.compiled.pipeline.steps if step.asks]
    buckets = range(job.runner.record.buckets)
    wanted = [pl.read_parquet(part(job.build.folder / step, REQUESTED, b)) for step in asking for b in buckets]
    assert keys.is_unique().all(), "a key that was answered was asked again"
    assert set(keys) == set(pl.concat(wanted)["key"])
    assert all(r["in"] == r["kept"] + sum(r["dropped"].values()) for r in job.records() if not r["makes"])
    assert kills >= KILLS // 2, f"only {kills} of {KILLS} kills fell into the steps that ask; give them more to do"

    first = tiny.digests(tiny.release(job))
    for number in range(2):
        replayed = tmp_path / f"replay-{number}" / "out"
        shutil.copytree(tmp_path / "out" / "log", replayed / "log")
        assert tiny.digests(tiny.release(tiny.built(tmp_path, out=replayed, replay=True))) == first

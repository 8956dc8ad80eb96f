"""A build is a function of its recipe, its sources and the log: replays of the quickstart give the same release."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from accounts import unaccounted

from pipelines.job import Job, compile_recipe, open_job

LIMIT = 14
CONFIGS = ("sft", "rl", "holdout", "control", "unfiltered", "rollouts")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("quickstart")
    job = open_job(compile_recipe("quickstart", limit=LIMIT), folder / "out")
    job.run()
    return job


def replayed(built: Job, folder: Path, workers: int, buckets: int | None) -> Job:
    """The same from the log alone, in a workspace of its own."""
    out = folder / "out"
    for logs in ("log", "media"):
        shutil.copytree(built.build.workspace.root / logs, out / logs)
    compiled = compile_recipe("quickstart", [f"driver.workers={workers}"], limit=LIMIT)
    job = open_job(compiled, out, replay=True, buckets=buckets)
    job.run()
    return job


def content(job: Job) -> Any:
    assert job.release is not None
    return json.loads((job.release / "manifest.json").read_text())["content"]


def rows(job: Job, config: str) -> list[dict[str, Any]]:
    assert job.release is not None
    return pl.read_parquet(sorted((job.release / config).glob("*.parquet"))).to_dicts()


@pytest.mark.parametrize(("workers", "buckets"), [(1, None), (2, 4), (7, 1), (7, 4)])
def test_a_replay_releases_the_same(built: Job, tmp_path: Path, workers: int, buckets: int | None) -> None:
    job = replayed(built, tmp_path, workers, buckets)
    for config in CONFIGS:
        assert rows(job, config) == rows(built, config), config
    assert list(unaccounted(job)) == []
    assert content(job) == content(built)
    assert job.release is not None and built.release is not None
    files = [{p.relative_to(r): p.read_bytes() for p in r.rglob("*.parquet")} for r in (job.release, built.release)]
    assert files[0] == files[1]


def test_something_is_released(built: Job) -> None:
    assert rows(built, "rl") and rows(built, "sft") and rows(built, "rollouts")

"""Builds over more text than their budget: they end, and two at once in one workspace end with equal tables."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from pipelines.store.scratch import SCRATCH

FILE = Path(__file__).parents[2] / "benchmarks" / "large_log.py"
SAMPLES, TEXT = 120, 16_000


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The benchmark, whose limits are checked at full size there and at a small one here."""
    spec = importlib.util.spec_from_file_location("large_log", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["large_log"] = module
    spec.loader.exec_module(module)
    return module


def test_two_builds_that_spill_in_one_workspace_end_with_equal_tables(bench: ModuleType, tmp_path: Path) -> None:
    """On 64 threads, with a budget that holds some of the texts."""
    bench.make(tmp_path, SAMPLES, TEXT)
    both = [bench.start(tmp_path, name, 64, "driver.memory=64MB") for name in ("one", "two")]
    assert [bench.finish(*run)["code"] for run in both] == [0, 0]
    one, two = (bench.tables(tmp_path, name) for name in ("one", "two"))
    assert one == two
    assert {"rollout/rows-0000.parquet", "scored/rows-0000.parquet", "select/rows-0000.parquet"} <= one.keys()
    assert not list((tmp_path / "out" / "log" / "completions" / SCRATCH).iterdir())
    rollouts = pl.read_parquet(tmp_path / "out" / "builds" / "one" / "rollout" / "rows-*.parquet")
    assert rollouts.height == SAMPLES * bench.ROLLOUTS
    assert rollouts["text"].str.len_bytes().min() > TEXT * 0.9

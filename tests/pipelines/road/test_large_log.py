"""A build over more text than its budget: it ends, holds a part of the texts, and two at once disturb nobody."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from pipelines.road.stages import road
from pipelines.store import memory, ordering
from pipelines.store.scratch import SCRATCH

FILE = Path(__file__).parents[3] / "benchmarks" / "large_log.py"
SAMPLES, TEXT = 160, 16_000


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The benchmark, whose limits are checked at full size there and at a small one here."""
    spec = importlib.util.spec_from_file_location("large_log", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["large_log"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def filled(bench: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    bench.make(folder, SAMPLES, TEXT)
    return folder


def test_two_builds_that_spill_in_one_workspace_end_with_equal_tables(filled: Path, bench: ModuleType) -> None:
    """On 64 threads, with a budget that holds some of the texts."""
    both = [bench.start(filled, name, 64, "driver.memory=64MB") for name in ("one", "two")]
    told = [bench.finish(*run) for run in both]
    assert [run["code"] for run in told] == [0, 0]
    one, two = (bench.tables(filled, name) for name in ("one", "two"))
    assert one == two
    assert {"rollouts/kept.parquet", "score/kept.parquet", "select/kept.parquet"} <= one.keys()
    assert not list((filled / "out" / "log" / "completions" / SCRATCH).iterdir())
    rollouts = pl.read_parquet(filled / "out" / "builds" / "one" / "rollouts" / "kept.parquet")
    assert rollouts.height == SAMPLES * bench.ROLLOUTS
    assert rollouts["text"].str.len_bytes().min() > TEXT * 0.9


def test_answers_come_in_pieces_of_the_budget(
    filled: Path, bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held follows the budget, not the log; the rows do not follow it."""
    monkeypatch.setattr(memory, "cores", lambda: 64)
    runs = []
    made = ordering._Run.__init__
    monkeypatch.setattr(ordering._Run, "__init__", lambda run, *args: runs.append(run) or made(run, *args))
    rows, wanted = tmp_path / "rows.parquet", tmp_path / "wanted.parquet"
    found: list[pl.DataFrame] = []
    for budget in ("64MB", "8GB"):
        build = bench.open_build(filled, "one", f"driver.memory={budget}")
        pieces = answers(build, rows, wanted)
        found.append(pl.concat(pieces))
        if budget == "64MB":
            assert len(runs) > 1, "it did not fit, so it was put in order on disk"
            assert max(p.estimated_size() for p in pieces) < found[0].estimated_size() / 4
            runs.clear()
    assert not runs, "there was room"
    assert found[0].equals(found[1])
    assert found[0]["finish_reason"].null_count() == 0


def answers(build: Any, rows: Path, wanted: Path) -> list[pl.DataFrame]:
    """All that the rollouts stage would read."""
    from pipelines.road.ask import write_wanted

    plan = road(build)
    stage = plan.stage("rollouts")
    assert stage.asks is not None
    stage.asks.rows(plan, stage).collect().sort("id").write_parquet(rows)
    section = stage.section(build.recipe)
    write_wanted(rows, "student", build.identities["student"], stage.asks.requests, section, wanted)
    return list(build.log.answers(wanted, rows))

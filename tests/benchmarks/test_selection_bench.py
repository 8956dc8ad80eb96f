"""Every rule chooses as many of the same candidates, and is trained and graded alike."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "selection_bench.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("selection_bench", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["selection_bench"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def candidates(number: int) -> pl.DataFrame:
    """Pass counts of all kinds; every image matters to a third of them."""
    k = [i % 9 for i in range(number)]
    rows = {
        "id": [f"{i:04}" for i in range(number)], "k": k, "n": [8] * number, "mean_score": [x / 8 for x in k],
        "k_text": [0 if i % 3 else x for i, x in enumerate(k)], "n_text": [8] * number,
        "log_psi": [-3.0 + i % 4 for i in range(number)], "visnec": [i % 7 - 3.0 for i in range(number)],
        "vig": [float(i % 11) for i in range(number)], "confirmed": [True] * number,
    }  # fmt: skip
    return pl.DataFrame(rows)


def test_sizes_are_equal_and_a_rule_keeps_its_own(bench: ModuleType, tmp_path: Path) -> None:
    one = bench.Bench(None, None, 40, tmp_path)
    object.__setattr__(one, "candidates", candidates(180))
    chosen = {rule: one.chosen(rule, 0) for rule in (bench.RANDOM, *bench.RULES)}
    assert {len(set(ids)) for ids, _ in chosen.values()} == {40}
    assert chosen[bench.RANDOM][1] == 0 and chosen["variance"][1] == chosen["vig"][1] == 40
    assert 0 < chosen["hard_only"][1] < 40, "it is filled up by chance"
    rows = one.candidates.filter(pl.col("id").is_in(chosen["variance"][0]))
    assert set(rows["k"]) <= {3, 4, 5}
    assert one.chosen("variance", 0) == chosen["variance"]
    assert one.chosen(bench.RANDOM, 1) != chosen[bench.RANDOM], "another seed, another draw"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_rules_are_run_side_by_side_and_a_second_call_finds_them(bench: ModuleType, tmp_path: Path) -> None:
    tiny = ["sft.steps=2", "sft.batch=4", "rl.steps=1", "rl.prompts=2", "rl.completions=2"]
    config = bench.read_config([*bench.QUICK, *tiny])
    found = bench.bench(config, ["variance", "vig"], 6, tmp_path, 40)
    arms = [f"{way}:{rule}" for way in ("rl", "sft") for rule in ("random", "variance", "vig")]
    assert [run["arm"] for run in found["runs"]] == arms
    assert all(run["trained"][0]["rows"] == 6 for run in found["runs"])
    again: Any = bench.bench(config, ["variance", "vig"], 6, tmp_path, 40)
    assert again == found

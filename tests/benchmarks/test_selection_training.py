"""The small training proof: its arithmetic by hand, its arms, and a whole run that takes up what it finds."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "selection_training.py"


@pytest.fixture(scope="module")
def proof() -> ModuleType:
    spec = importlib.util.spec_from_file_location("selection_training", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["selection_training"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_interval_is_the_t_interval(proof: ModuleType) -> None:
    assert proof.interval([0.1, 0.2, 0.3]) == {"mean": 0.2, "half": 0.2484}  # 4.3027 * 0.1 / sqrt(3)
    assert proof.interval([0.5, 0.5]) == {"mean": 0.5, "half": 0.0}
    assert proof.interval([0.5]) == {"mean": 0.5, "half": None}


def test_gains_count_seeds_by_question(proof: ModuleType) -> None:
    assert proof._gains([("110", "010"), ("100", "010")]) == [1.0, -0.5, 0.0]


def test_arms_choose_what_they_say(proof: ModuleType) -> None:
    counts = pl.DataFrame({"id": list("abcdefgh"), "k": [0, 1, 2, 3, 4, 0, 4, 2], "n": [4] * 8})
    assert proof.chosen("variance", counts, 2, 0) == ["c", "h"]
    assert proof.chosen("easy", counts, 2, 0) == ["e", "g"]
    assert proof.chosen("hard", counts, 2, 0) == ["a", "f"]
    assert proof.chosen("all", counts, 2, 0) == list("abcdefgh")
    drawn = {seed: proof.chosen("random", counts, 3, seed) for seed in range(5)}
    assert all(len(ids) == 3 for ids in drawn.values())
    assert len({tuple(ids) for ids in drawn.values()}) > 1


def test_splits_share_no_scene(proof: ModuleType) -> None:
    sets = [
        proof.Asked(*which) for which in (("curate", "pool", 30), ("curate", "validation", 30), ("test", "test", 30))
    ]
    scenes = [{q.scene for q in asked.questions} for asked in sets]
    assert [len(names) for names in scenes] == [30, 30, 30]
    assert len(set.union(*scenes)) == 90


def test_gold_answers_are_worth_one_and_others_nothing(proof: ModuleType) -> None:
    asked = proof.Asked("curate", "pool", 40)
    golds = [q.answer for q in asked.questions]
    assert asked.score(range(40), golds) == [1.0] * 40
    assert asked.score(range(40), ["purple 99"] * 40) == [0.0] * 40


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_quick_run_judges_every_arm_and_a_second_one_goes_on(tmp_path: Path) -> None:
    state, out = tmp_path / "state.jsonl", tmp_path / "out.json"
    command = [sys.executable, str(FILE), "--quick", "--state", str(state), "--out", str(out)]
    subprocess.run([*command, "--seeds", "1"], check=True, capture_output=True)
    lines = state.read_text()
    subprocess.run(command, check=True, capture_output=True)
    assert state.read_text().startswith(lines)
    found = json.loads(out.read_text())
    assert sum(found["pool_pass_counts"]) == found["settings"]["pool"]
    assert set(found["arms"]) == {"variance", "random", "all", "easy", "hard"}
    for arm, row in found["arms"].items():
        assert row["seeds"] == [0, 1]
        assert 0 < row["greedy"]["mean"] < 1
        assert ("minus_random" in row) == (arm != "random")
    assert found["arms"]["hard"]["silent_groups"] > found["arms"]["variance"]["silent_groups"]

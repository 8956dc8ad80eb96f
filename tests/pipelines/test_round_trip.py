"""The round trip on the road: what a release holds, the trainer's own grader agrees with."""

import json
from pathlib import Path

import polars as pl
import pytest

from filters.verify import graders
from pipelines.build import run_build
from pipelines.recipe import load_recipe
from pipelines.stage import Build
from pipelines.stages import road
from pipelines.workspace import Workspace
from schemas.errors import ConfigError

RECIPE = """\
name: graded
sources:
  - {type: jsonl, name: rows, path: SOURCE}
split: {sft: 0.0, rl: 1.0, holdout: 0.0}
"""
ROWS = [
    {"question": "How many sides has a square?", "answer": "4", "kind": "number"},
    {"question": "What is a half?", "answer": "\\frac{1}{2}", "kind": "expression"},
    {"question": "Which is a color?", "answer": "B", "kind": "choice", "options": ["stone", "red", "run"]},
    {"question": "What color is the sky?", "answer": "blue", "kind": "text"},
]


def make(folder: Path, *overrides: str) -> Build:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (folder / "r.yaml").write_text(RECIPE.replace("SOURCE", str(folder / "rows.jsonl")))
    return Build(load_recipe(str(folder / "r.yaml"), overrides), Workspace(folder / "out"))


def test_every_released_solution_passes_the_trainers_grader(tmp_path: Path) -> None:
    told = run_build(make(tmp_path))
    rows = pl.read_parquet(tmp_path / "out" / "releases" / "graded" / "v1" / "rl")
    assert rows.height == told[-1]["kept"] == 4
    for row in rows.filter(pl.col("verifier") != "text").iter_rows(named=True):
        right = f"<think>…</think><answer>\\boxed{{{row['solution'].strip('$')}}}</answer>"
        assert graders.trl(right, row["solution"]) == 1.0
        assert graders.trl("<think>…</think><answer>\\boxed{17}</answer>", row["solution"]) == 0.0


def test_a_row_that_the_grader_gets_wrong_is_dropped_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(graders.GRADERS, "trl", lambda completion, solution: 0.0 if "4" in solution else 1.0)
    build = make(tmp_path)
    told = {record["stage"]: record for record in run_build(build)}
    assert told["round_trip"]["dropped"]["export:round_trip"] >= 1
    evidence = json.loads(road(build).table("round_trip", "dropped").collect()["evidence"][0])
    assert evidence["grader"] == "trl"


def test_the_gate_can_be_turned_off_and_has_only_known_graders(tmp_path: Path) -> None:
    assert "round_trip" not in road(make(tmp_path, "release.trainer=null"))
    with pytest.raises(ConfigError, match="no grader 'trll'"):
        make(tmp_path, "release.trainer=trll")

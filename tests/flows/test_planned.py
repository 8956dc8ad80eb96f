"""`curate plan`, as a user meets it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app

RECIPE = """\
name: planned
models:
  m: {model: reference-vlm, engine: transformers, price_out: 5.0}
sources:
  - {type: jsonl, name: sums, path: ROWS, kind: number}
steps:
  - distill: {model: m, n: 50, prompt: "{{ question }}", sampling: {temperature: 1.0, max_tokens: 1000}}
  - verify
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(RECIPE.replace("ROWS", str(tmp_path / "rows.jsonl")))
    return str(tmp_path / "r.yaml")


def told(recipe: str, *args: str) -> Result:
    return CliRunner().invoke(app, ["plan", recipe, "-w", str(Path(recipe).with_name("out")), *args])


def test_a_first_plan_says_what_a_build_may_cost_at_most(recipe: str) -> None:
    done = told(recipe)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    rows = {
        line.split("│")[1].strip(): [c.strip() for c in line.split("│")[2:-1]]
        for line in done.output.splitlines()
        if "│" in line
    }
    assert "Plan: 4 steps to run" in done.output
    assert rows["ingest"] == ["to run", "≤ 4", "", "", "", ""]
    assert rows["distill"] == ["after selftest", "≤ 4", "≤ 200", "≤ 200,000", "?", "≤ 1.00"]
    assert rows["verify"] == ["after distill", "≤ 200", "", "", "", ""]
    assert rows["all steps"] == ["", "", "≤ 200", "≤ 200,000", "?", "≤ 1.00"]
    assert not Path(recipe).with_name("out").exists()


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--set", "sources.sums.path=nowhere.jsonl"], "no file matches 'nowhere.jsonl'"),
        (["--set", "steps.distill.model=n"], "no model named 'n'"),
        (["--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_mistakes_are_a_sentence(recipe: str, args: list[str], sentence: str) -> None:
    done = told(recipe, *args)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.replace("│", " ").split())

"""`curate preview`, as a user meets it, with the embedded model."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from pipelines.job import compile_recipe, open_job
from pipelines.store.completions import CompletionsLog

RECIPE = """\
name: looked_at
models:
  m: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: sums, path: ROWS, kind: number}
steps:
  - distill: {model: m, sees: nothing, system: Answer in one word., prompt: "{{ question }}", sampling: {max_tokens: 5}}
  - verify
  - drop: {of: trace, if: {wrong: "NOT coalesce(correct, false)"}}
  - release: {sft: {of: trace}, allow_empty: [sft]}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(5)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(RECIPE.replace("ROWS", str(tmp_path / "rows.jsonl")))
    return tmp_path / "r.yaml"


def told(recipe: Path, *args: str) -> Result:
    return CliRunner().invoke(app, ["preview", str(recipe), "-w", str(recipe.with_name("out")), *args])


def test_a_few_rows_go_through_everything_and_leave_their_answers_only(recipe: Path) -> None:
    done = told(recipe, "-n", "2")
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    for words in ("sample 2 of 2", "Answer in one word.", "What is", "drop:wrong", "No version was made."):
        assert words in done.output
    out = recipe.with_name("out")
    assert not list(out.glob("releases/*"))
    assert not list(out.glob("builds/*"))
    assert CompletionsLog(out / "log" / "completions").scan().collect().height == 2
    records = open_job(compile_recipe(str(recipe)), out).run()
    (asked,) = (record["asked"]["m"] for record in records if record["step"] == "distill")
    assert asked["samples"] == 3, "the build asks for the other rows only"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["-n", "0"], "Invalid value for '-n'"),
        (
            ["--set", "steps.distill.prompt='{{ qestion }}'"],
            "reads `qestion`, and no step before it gives that to sample.",
        ),
        (["--set", "sources.sums.path=nowhere.jsonl"], "no file matches 'nowhere.jsonl'"),
    ],
)
def test_mistakes_are_a_sentence(recipe: Path, args: list[str], sentence: str) -> None:
    done = told(recipe, *args)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.replace("│", " ").split())

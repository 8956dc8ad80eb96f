"""`curate verify-selftest` and `calibrate-judge`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from pipelines.store.completions import CompletionsLog

RECIPE = """\
name: tested
models:
  m: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: sums, path: ROWS, kind: number}
steps:
  - distill: {model: m, prompt: "{{ question }}"}
  - judge: {model: m, sampling: {max_tokens: 4}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(5)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(RECIPE.replace("ROWS", str(tmp_path / "rows.jsonl")))
    return tmp_path / "r.yaml"


def told(recipe: Path, *args: str) -> Result:
    return CliRunner().invoke(app, ["verify-selftest", str(recipe), "-w", str(recipe.with_name("out")), *args])


def test_every_gold_is_put_to_its_verifier_and_no_model_is_asked(recipe: Path) -> None:
    done = told(recipe)
    assert done.exit_code == 0, done.output
    lines = [
        [cell.strip() for cell in line.strip("│").split("┆")] for line in done.output.splitlines() if "sums" in line
    ]
    assert lines
    assert all(line[:2] == ["sums", "number"] and line[-1] == "1.0" for line in lines)
    assert not list(recipe.with_name("out").glob("log/completions/*.parquet"))
    assert told(recipe).output == done.output


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--set", "sources.sums.path=nowhere.jsonl"], "no file matches 'nowhere.jsonl'"),
        (["--set", "sources.sums.kind=nmber"], "did you mean 'number'?"),
        (["--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_mistakes_are_a_sentence(recipe: Path, args: list[str], sentence: str) -> None:
    done = told(recipe, *args)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.replace("│", " ").split())


def calibrated(recipe: Path, *args: str) -> Result:
    return CliRunner().invoke(app, ["calibrate-judge", str(recipe), "-w", str(recipe.with_name("out")), *args])


def figures(recipe: Path, *args: str) -> dict[str, str]:
    done = calibrated(recipe, *args)
    assert done.exit_code == 0, done.output
    header, values = (
        [cell.strip() for cell in line.strip("│").split("┆")]
        for line in (line for line in done.output.splitlines() if "┆" in line and "---" not in line)
        if "i64" not in line and "f64" not in line
    )
    return dict(zip(header, values, strict=True))


def test_a_judge_is_put_to_right_and_wrong_answers(recipe: Path) -> None:
    found = figures(recipe)
    assert (found["rows"], found["scored"]) == ("10", "10"), "each gold, and another's in its place"
    log = CompletionsLog(recipe.with_name("out") / "log" / "completions")
    answers = log.scan().collect().height
    turned = figures(recipe, "--right", "judge = 'no'")
    assert float(turned["agreement"]) == pytest.approx(1 - float(found["agreement"]))
    assert log.scan().collect().height == answers, "a judge is asked once for its calibration"


PROMPT = "steps.judge.prompt='Grade {{ answer }} and {{ final }}.'"


@pytest.mark.parametrize(
    "more",
    [
        [f"--set={PROMPT}", "--set=steps.judge.reply={score: [0, 10]}"],
        [f"--set={PROMPT}", "--set=steps.judge.reply={fields: {grade: int}}", "--right", "grade > 5"],
        ["--set=steps.judge.n=2", "--set=steps.judge.makes=opinion"],
    ],
)
def test_grades_fields_and_opinions_that_are_rows_are_calibrated_too(recipe: Path, more: list[str]) -> None:
    found = figures(recipe, "--set=steps.judge.sampling={temperature: 0, max_tokens: 32}", *more)
    assert found["rows"] == "10"
    assert int(found["scored"]) + int(found["unscored"]) == 10 > int(found["unscored"])


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--set", "steps.judge.prompt='Is {{ question }} good?'"], "so there is no judge to calibrate"),
        (
            ["--set", "steps.judge.prompt='{{ answer }} {{ final }} {{ reasoning }}'"],
            "judge: its prompt reads `reasoning`, which made-up answers have not",
        ),
        (["--right", "jugde = 'no'"], "--right: 'judge' gives no `jugde`. Did you mean 'judge'?"),
        (["--right", "judge"], "--right: `judge` is no condition"),
        (
            [f"--set={PROMPT}", "--set=steps.judge.reply={fields: {grade: int}}"],
            "--right: say which opinions of 'judge' mean right",
        ),
        (["--set", "steps.judg.votes=3"], "there is no step named 'judg'. Did you mean 'judge'?"),
    ],
)
def test_a_judge_that_cannot_be_calibrated_is_a_sentence(recipe: Path, args: list[str], sentence: str) -> None:
    done = calibrated(recipe, *args)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split())

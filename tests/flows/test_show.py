"""`curate show` as a user meets it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app

RECIPE = """\
name: shown
models:
  m: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: sums, path: sums.jsonl, kind: number}
steps:
  - distill: {model: m, prompt: "{{ question }}", where: "question <> ''"}
  - verify
  - drop: {of: trace, if: {wrong: "NOT correct"}}
  - rollout: {model: m, n: 4}
  - verify: {as: scored, of: rollout}
  - difficulty
  - ask: {as: hint, model: m, prompt: "{{ answer }}"}
  - ask: {as: shorter, model: m, prompt: "{{ hint }}"}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "r.yaml").write_text(RECIPE)
    return str(tmp_path / "r.yaml")


def shown(*args: str) -> Result:
    return CliRunner().invoke(app, ["show", *args])


def cells(text: str, step: str) -> list[str]:
    """The cells of a step's row, in words; a row goes on until the next line between rows."""
    rows: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith(("├", "┡")):
            rows.append(["", "", "", ""])
        elif line.startswith("│"):
            rows[-1] = [f"{a} {b.strip()}".strip() for a, b in zip(rows[-1], line.strip("│").split("│"), strict=True)]
    return next(row for row in rows if row[0].split()[0] == step)


def test_a_row_a_step_says_what_it_reads_gives_and_asks(recipe: str) -> None:
    done = shown(recipe)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    assert cells(done.output, "ingest")[3].startswith("sample rows: source")
    name, rows, reads, gives = cells(done.output, "distill")
    assert (name, rows) == ("distill", "sample")
    assert "ingest: question" in reads
    assert reads.endswith("where question <> ''")
    assert "trace rows:" in gives
    assert gives.endswith("asks m: 1 completion a row")
    assert cells(done.output, "scored")[0] == "scored (verify)"
    assert cells(done.output, "rollout")[3].endswith("asks m: 4 completions a row")
    assert "of rollout rows beside: rollout:" in cells(done.output, "difficulty")[2]
    assert cells(done.output, "difficulty")[1] == "sample all rows of a sample at once"


def test_a_prompt_that_reads_the_gold_marks_what_is_made_of_it(recipe: str) -> None:
    text = shown(recipe).output
    assert [cells(text, step)[3].endswith("gold visible") for step in ("hint", "shorter", "rollout")] == [
        True,
        True,
        False,
    ]


def test_the_graph_has_a_node_a_step_and_an_edge_from_who_gives_to_who_reads(recipe: str) -> None:
    lines = [line.strip() for line in shown(recipe, "--mermaid").output.splitlines()]
    assert lines[0] == "flowchart TB"
    assert 'step_hint(["hint<br/>(ask)<br/>m × 1"])' in lines
    assert 'step_verify["verify"]' in lines
    assert 'step_verify -->|"correct"| step_drop' in lines
    assert 'step_hint -->|"hint"| step_shorter' in lines
    assert "class step_distill,step_rollout,step_hint,step_shorter asks" in lines
    assert [line for line in lines if line.startswith("subgraph")] == [
        "subgraph unit_sample[sample]",
        "subgraph unit_trace[trace]",
        "subgraph unit_rollout[rollout]",
    ]
    assert lines.count("end") == 3


def test_what_presets_stand_for_is_a_recipe_that_shows_the_same(recipe: str, tmp_path: Path) -> None:
    done = shown(recipe, "--expand", "--set", "steps.rollout.n=2")
    (tmp_path / "whole.yaml").write_text(done.output)
    assert "- ask:\n    as: rollout\n" in done.output
    again = shown(str(tmp_path / "whole.yaml")).output
    for step in ("rollout", "scored", "difficulty"):
        assert cells(again, step)[1:] == cells(shown(recipe, "--set", "steps.rollout.n=2").output, step)[1:]


def test_code_of_a_recipes_own_is_not_run_unasked(recipe: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("raise SystemExit('it ran')")
    Path(recipe).write_text(f"uses: [own.py]\n{RECIPE}")
    done = shown(recipe)
    assert done.exit_code == 2
    assert "r.yaml:1: this recipe runs code of its own (own.py)" in done.output
    assert "add --trust" in done.output


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--expand", "--mermaid"], "--expand prints a recipe, and --mermaid a graph; choose one."),
        (["--set", "steps.rolout.n=2"], "there is no step named 'rolout'. Did you mean 'rollout'?"),
        (
            ["--set", "steps.distill.prompt='{{ qestion }}'"],
            "reads `qestion`, and no step before it gives that to sample.",
        ),
    ],
)
def test_mistakes_are_a_sentence(recipe: str, args: list[str], sentence: str) -> None:
    done = shown(recipe, *args)
    assert done.exit_code == 2
    assert sentence in done.output


def test_a_recipe_that_there_is_not(tmp_path: Path) -> None:
    done = shown(str(tmp_path / "r.yml"))
    assert done.exit_code == 2
    assert "There is no recipe" in done.output

"""The trainer's own grader at the gate: it is asked about golds and completions apart, and what it misreads says so."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import tiny

from filters.verify import graders
from pipelines.explain.story import row_story
from pipelines.job import Job, compile_recipe, open_job

RECIPE = """\
name: graded
sources:
  - {{type: jsonl, name: rows, path: {rows}, columns: {{tried: [str]}}}}
driver: {{workers: 1}}
steps:
{steps}
"""
BARE = "  - release: {{rl: {{of: sample}}, {settings}}}"
TRACED = """\
  - unfold: {{as: given, column: tried, makes: trace}}
  - verify
  - split: {{sft: 0.4, rl: 0.4, holdout: 0.2}}
  - release: {{sft: {{of: trace}}, rl: {{of: sample}}, holdout: {{of: sample}}, {settings}}}"""
GOLDS: list[dict[str, Any]] = [
    {"question": "How many sides has a square?", "answer": "4", "kind": "number"},
    {"question": "What is a half?", "answer": "\\frac{1}{2}", "kind": "expression"},
    {"question": "Which is a color?", "answer": "B", "kind": "choice", "options": ["stone", "red", "run"]},
    {"question": "What color is the sky?", "answer": "blue", "kind": "text"},
]
SOLVED = 24
"""Of the questions, those that both traces answer right; they answer the others wrong."""
WRONG = {"number": "-1", "choice": "C", "expression": "z"}


def questions() -> list[dict[str, Any]]:
    """Questions of three kinds in turn, each with two traces."""
    rows = []
    for i in range(36):
        kind = ("number", "choice", "expression")[i % 3]
        gold = {"number": str(i), "choice": "AB"[i % 2], "expression": f"x+{i}"}[kind]
        given = gold if i < SOLVED else WRONG[kind]
        tried = [
            f"<think>One sees that it is number {i}, the {n}th time.</think>\n\nThe answer is {given}." for n in (0, 1)
        ]
        more = {"options": ["this", "that", "none"]} if kind == "choice" else {}
        rows.append({"question": f"number {i}: what is it?", "kind": kind, "answer": gold, "tried": tried, **more})
    return rows


def built(folder: Path, steps: str, rows: list[dict[str, Any]], settings: str = "") -> Job:
    (folder / "rows.jsonl").write_text("\n".join(json.dumps({"tried": [], **row}) for row in rows))
    text = RECIPE.format(rows=folder / "rows.jsonl", steps=steps.format(settings=settings))
    (folder / "graded.yaml").write_text(text)
    job = open_job(compile_recipe(str(folder / "graded.yaml")), folder / "out")
    job.run()
    return job


def dropped(job: Job) -> pl.DataFrame:
    return pl.read_parquet(tiny.release(job) / "dropped.parquet").filter(step="release")


def deaf(monkeypatch: pytest.MonkeyPatch, name: str, part: str, to: str) -> None:
    """A grader of which `part` reads nothing in texts that hold `to`."""
    real = graders.GRADERS[name]
    read = getattr(real, part)
    monkeypatch.setitem(graders.GRADERS, name, replace(real, **{part: lambda text: "" if to in text else read(text)}))


def test_every_released_solution_passes_the_trainers_grader(tmp_path: Path) -> None:
    rows = tiny.config(built(tmp_path, BARE, GOLDS), "rl")
    assert rows.height == 4
    for row in rows.filter(pl.col("verifier") != "text").iter_rows(named=True):
        right = f"<think>…</think><answer>\\boxed{{{row['solution'].strip('$')}}}</answer>"
        assert graders.trl(right, row["solution"]) == 1.0
        assert graders.trl("<think>…</think><answer>\\boxed{17}</answer>", row["solution"]) == 0.0


def test_a_gold_that_the_grader_gets_wrong_is_out_with_its_reason_unless_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf(monkeypatch, "trl", "gold", to="frac")
    job = built(tmp_path, BARE, GOLDS)
    assert tiny.config(job, "rl").height == 3
    [lost] = dropped(job).filter(reason="release:round_trip_gold").to_dicts()
    evidence = json.loads(lost["evidence"])
    assert (lost["unit"], evidence["grader"], evidence["gold"]) == ("sample", "trl", "\\frac{1}{2}")
    assert tiny.config(built(tmp_path, BARE, GOLDS, "trainer: null"), "rl").height == 4


@pytest.mark.parametrize("tags", ["think_answer", "think_tail", "think_answer_boxed"])
def test_what_the_teacher_solved_is_not_what_is_lost(tmp_path: Path, tags: str) -> None:
    job = built(tmp_path, TRACED, questions(), f"tags: {tags}")
    assert dropped(job).filter(pl.col("reason").str.starts_with("release:round")).is_empty()
    sides = job.rows("sample", ["side"])
    right = set(job.rows("trace", ["correct"]).filter("correct")["sample_id"])
    for side in ("rl", "holdout"):
        assert set(tiny.config(job, side)["id"]) == set(sides.filter(side=side)["id"])
    sft = tiny.config(job, "sft")
    assert set(sft["id"]) == set(sides.filter(side="sft")["id"]) & right and len(right) == SOLVED
    assert sft.height == 2 * sft["id"].n_unique()
    assert set(sft["verifier"]) == {"number", "choice", "expression"}
    unread = [] if tags == "think_answer_boxed" else ["choice", "number", "expression"]
    assert tiny.manifest(job)["configs"]["sft"]["not_graded"] == unread
    card = (tiny.release(job) / "README.md").read_text()
    assert ("the grader of trl reads no choice, number, expression answer" in card) is bool(unread)


def test_a_trace_that_the_grader_misreads_is_lost_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf(monkeypatch, "verl", "looks_at", to="1th")
    job = built(tmp_path, TRACED, questions(), "trainer: verl")
    sides = job.rows("sample", ["side"])
    right = set(job.rows("trace", ["correct"]).filter("correct")["sample_id"])
    solved = set(sides.filter(side="sft")["id"]) & right
    assert set(tiny.config(job, "rl")["id"]) == set(sides.filter(side="rl")["id"]), "its sample is still asked"
    assert tiny.config(job, "sft")["id"].to_list() == sorted(solved), "the other trace stays"
    lost = dropped(job).filter(reason="release:round_trip_trace")
    assert (set(lost["unit"]), set(lost["sample_id"]), lost.height) == ({"trace"}, solved, len(solved))
    story = row_story(job.build.workspace.root, lost["id"][0])
    assert [chapter.reason for chapter in story.chapters if chapter.what == "unreleased"] == [
        "release:round_trip_trace"
    ]


@pytest.mark.parametrize("trainer", ["trainer: trl", "trainer: null"])
def test_a_solution_is_the_gold_itself_but_for_kinds_that_graders_of_maths_read(tmp_path: Path, trainer: str) -> None:
    """A string match, or a grader of words, compares `blue` with `blue`; of `$blue$` it knows nothing."""
    golds = [*GOLDS, {"question": "Is it so?", "answer": "no", "kind": "boolean"}]
    rows = tiny.config(built(tmp_path, BARE, golds, trainer), "rl")
    spelled = dict(rows.select("verifier", "solution").iter_rows())
    assert {name: text for name, text in spelled.items() if not text.startswith("$")} == {
        "text": "blue",
        "boolean": "no",
    }
    assert spelled["number"] == "$4$"

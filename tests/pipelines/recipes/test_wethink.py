"""WeThink, whole: images are described and asked about anew, and what two models or a third agree on is released."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import demo
import polars as pl
import pytest
import tiny

from pipelines.job import compile_recipe
from schemas.step import Tables

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = [{"question": f"Which of the old questions is number {n}?", "answer": "this one"} for n in range(4)]


def test_it_compiles_as_published() -> None:
    recipe = compile_recipe("wethink")
    assert recipe.pipeline.step("qa").config.parents == "retire"
    assert set(recipe.pipeline.step("agree").config.between) == {"by_reading", "by_looking"}
    assert recipe.pipeline.step("refined").gold_visible
    assert recipe.pipeline.unread == ()


def test_bad_questions_go_before_anybody_answers_them() -> None:
    step = compile_recipe("wethink").pipeline.step("bad")
    drafts = [
        ("Which bar is higher?", "left"),
        ("Which?", "RIGHT "),
        (" ", "left"),
        ("What does the caption say?", "left"),
    ]
    rows = pl.DataFrame(
        [{"id": str(n), "draft": q, "a": a, "b": "right", "c": "none", "d": "both"} for n, (q, a) in enumerate(drafts)]
    )
    context: Any = SimpleNamespace(name="bad")
    out = step.type.body(Tables(rows, {}, pl.DataFrame()), step.config, context)
    assert out.drops.select("id", "reason").rows() == [
        ("1", "bad:same_options"),
        ("2", "bad:no_question"),
        ("3", "bad:of_the_description"),
    ]


def test_new_questions_are_written_answered_twice_and_released(tmp_path: Path) -> None:
    tokens = {"seen": 24, "missing": 32, "written": 112, "by_reading": 32, "by_looking": 32}
    job = demo.run("wethink", tmp_path / "out", demo.shown(tmp_path, "old", ROWS), **tokens)
    counts = demo.counts(job)
    assert sum(counts["bad"]) == counts["written"][0]
    assert (
        counts["unsettled"][1] + counts["off_key"][1] >= 1
    )  # small models answer by chance, in all of 8 traces a question
    assert counts["off_key"][0] >= 1
    assert counts["pick"][0] >= 1
    new = tiny.rows(job, "qa")
    assert new.height == counts["qa"][0] >= 1
    assert set(new["variant"]) == {"qa"}
    assert job.release is not None
    manifest = json.loads((job.release / "manifest.json").read_text())
    retired = pl.read_parquet(job.release / "dropped.parquet").filter(reason="qa:retired").height
    assert [step["notes"] for step in manifest["steps"] if step["step"] == "qa"] == [{"retired": retired}]
    card = (job.release / "README.md").read_text()
    assert f"| {new.height} sample rows made of {counts['written'][0]} draft rows, {retired} retired" in card
    assert set(tiny.rows(job, "agree")["agreed"].drop_nulls()) <= {True, False}

    sft, rl = (demo.loaded(job, name, tmp_path / "cache") for name in ("sft", "rl"))
    questions = set(new["question"])
    for row in sft:
        assert row["abilities"]
    assert all(any(question in row["prompt"][-1]["content"] for question in questions) for row in rl)
    assert not any("old questions" in row["prompt"][-1]["content"] for row in rl)

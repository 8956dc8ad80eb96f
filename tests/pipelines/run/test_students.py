"""Several students side by side: each is asked and measured, rows carry the counts of the one that selection reads."""

from pathlib import Path
from typing import Any

import pytest
from tiny import built, config, job, manifest, rows, section, without, write_source

from pipelines.explain.query import open_tables
from pipelines.explain.story import row_story
from pipelines.job import Job
from pipelines.plan import make_plan

ROWS = 6
SIDES = ("chosen", "rejected")


def two_students(recipe: dict[str, Any]) -> None:
    """Both are asked, each has a difficulty, and the second one's is selected by."""
    without("caption", "distill", "verify", "drop", "quality", "dedup")(recipe)
    recipe["models"]["other"] = {"model": "reference-vlm", "engine": "transformers", "args": {"dtype": "float64"}}
    sampling = {"max_tokens": 8, "temperature": 2.0, "seed": 0}
    section(recipe, "rollout").update(model=["vlm", "other"], n=2, sampling=sampling)
    # Whatever replies are drawn, every sample is measured and may be selected.
    counted = {"truncated": "wrong", "no_answer": "wrong"}
    section(recipe, "difficulty").update(counted, model="vlm")
    place = next(i for i, entry in enumerate(recipe["steps"]) if "difficulty" in entry)
    recipe["steps"].insert(place + 1, {"difficulty": {**counted, "as": "of_other", "model": "other"}})
    section(recipe, "split").clear()
    section(recipe, "split").update(rl=1.0)
    rule = {"type": "variance", "min_correct": 0, "min_wrong": 0}
    section(recipe, "select").update(rule=rule, k="of_other", budget=0.5)
    release = section(recipe, "release")
    for name in ("sft", "holdout"):
        del release[name]
    release.update(extras=["control"], allow_empty=["preference"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("students")
    write_source(found, ROWS)
    return found


@pytest.fixture(scope="module")
def both(folder: Path) -> Job:
    return built(folder, edit=two_students)


def test_every_student_answers_and_is_counted_by_itself(both: Job) -> None:
    asked = rows(both, "rollout").group_by("parent_id", "model").len()
    assert sorted(asked.group_by("model").len().rows()) == [("other", ROWS), ("vlm", ROWS)]
    assert set(asked["len"]) == {2}
    for step, model in (("difficulty", "vlm"), ("of_other", "other")):
        measured = rows(both, step)
        assert (set(measured["model"]), measured.height, set(measured["n"])) == ({model}, ROWS, {2})


def test_a_row_says_the_counts_that_selection_read(both: Job) -> None:
    counts = rows(both, "of_other").select("id", "k", "n")
    for name in ("rl", "control"):
        found = config(both, name)
        assert (set(found["model"]), found.height) == ({"other"}, ROWS // 2)
        told = found.select("id", "k", "n").join(counts, on="id", suffix="_measured")
        assert told["k"].equals(told["k_measured"], null_equal=True)
    for row in manifest(both)["selection"]:
        if row["figure"] == "share of band":
            for name, of in (("selected", "rl"), ("control", "control")):
                assert row[name] == pytest.approx((config(both, of)["band"] == row["value"]).mean())


def test_both_sides_of_a_pair_are_of_one_student_and_name_it(both: Job) -> None:
    given = {(r["sample_id"], r["text"], r["model"]) for r in config(both, "rollouts").to_dicts()}
    pairs = config(both, "preference")
    assert pairs.height > 0
    assert pairs["chosen_model"].equals(pairs["rejected_model"])
    for side in SIDES:
        for row in pairs.to_dicts():
            assert (row["id"], row[side][0]["content"], row[f"{side}_model"]) in given


def test_a_query_and_a_story_show_both_students(both: Job) -> None:
    out = both.build.workspace.root
    with open_tables(out) as db:
        replies = db.sql("SELECT model, text, correct, score, tokens, finish_reason FROM rollouts").pl()
    assert replies.group_by("model").len().sort("model").rows() == [("other", ROWS), ("vlm", ROWS)], (
        "of the selected half"
    )
    assert replies.select("text", "finish_reason", "tokens").null_count().row(0) == (0, 0, 0)
    story = row_story(out, rows(both, "difficulty")["id"][0])
    chapters = {chapter.step.name: chapter.values for chapter in story.chapters}
    assert [chapters[step]["model"] for step in ("difficulty", "of_other")] == ["vlm", "other"]


def test_a_plan_counts_every_student(folder: Path, both: Job) -> None:
    planned = {step.step: step for step in make_plan(job(folder, "steps.rollout.n=3", edit=two_students))}
    found = {cost.model: (cost.samples, cost.exact) for cost in planned["rollout"].costs}
    assert found == {"vlm": (ROWS, True), "other": (ROWS, True)}

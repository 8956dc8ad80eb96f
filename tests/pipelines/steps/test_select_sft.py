"""Selection for SFT: beside what is chosen goes a random control of as many questions, which can be trained on, too."""

import json
from pathlib import Path
from typing import Any

import pytest
import recipe_build
import tiny

from pipelines.job import Job
from pipelines.release.verify import verify_release

COLUMNS = "sources.sums.columns={tried: [{text: str, model: str}], made: [{text: str, model: str}]}"


def rows() -> list[dict[str, Any]]:
    """Sixteen sums with four rollouts, of which n mod 5 are right, and three traces, the last one of them wrong."""
    return [
        {
            "question": f"What is {n} + {n}?",
            "answer": str(2 * n),
            "tried": [{"text": str(2 * n if place < n % 5 else 7777), "model": "student"} for place in range(4)],
            "made": [
                {"text": f"<think>{n} twice, way {way}</think><answer>{2 * n + way // 2}</answer>", "model": "teacher"}
                for way in range(3)
            ],
        }
        for n in range(1, 17)
    ]


STEPS: list[Any] = [
    {"unfold": {"as": "given", "column": "made", "makes": "trace"}},
    {"verify": {"as": "right", "of": "trace", "tags": "think_answer"}},
    {"unfold": {"as": "tries", "column": "tried", "makes": "rollout"}},
    {"verify": {"as": "scored", "of": "rollout"}},
    "difficulty",
    {"tally": {"as": "teacher", "of": "trace", "to": "sample", "gives": {"confirmed": "count(*) FILTER (correct)"}}},
]
HARD: dict[str, Any] = {"select": {"rule": "hard_only"}}
RELEASE: dict[str, Any] = {"release": {"tags": "think_answer", "trainer": None, "sft": {"of": "trace"}}}


def built(folder: Path, *steps: Any) -> Job:
    recipe = recipe_build.write_recipe(folder, [*STEPS, *steps], rows(), driver={"workers": 1})
    return recipe_build.built(recipe, folder / "out", COLUMNS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return built(tmp_path_factory.mktemp("sft"), HARD, RELEASE)


def completions(job: Job, config: str) -> list[dict[str, Any]]:
    return [row for row in tiny.config(job, config).to_dicts() if row["completion"]]


def test_the_control_is_of_as_many_questions_and_can_be_trained_on(finished: Job) -> None:
    hard, random, every = (completions(finished, name) for name in ("sft", "control", "unfiltered"))
    assert {row["k"] for row in hard} == {0} != {row["k"] for row in random}
    assert len({row["id"] for row in hard}) == len({row["id"] for row in random}) == 3  # 5, 10 and 15 are never right
    assert len({row["id"] for row in every}) == 16
    for found in (hard, random, every):
        assert len(found) == 2 * len({row["id"] for row in found}), "both right traces, and not the wrong one"
        assert all(row["completion"][0]["content"].startswith("<think>") for row in found)
    assert {row["id"] for row in every if row["released"]} == {row["id"] for row in hard}
    assert verify_release(tiny.release(finished)).holds


def test_beside_prompts_the_control_holds_prompts(tmp_path: Path) -> None:
    job = built(tmp_path, HARD, {"release": {**RELEASE["release"], "rl": {"of": "sample"}}})
    assert "completion" not in tiny.config(job, "control").columns
    assert tiny.config(job, "control").height == tiny.config(job, "rl").height == 3


def test_only_the_side_that_was_selected_in_has_a_control(tmp_path: Path) -> None:
    chosen = {"select": {"rule": "hard_only", "sides": ["sft"]}}
    release = {"release": {**RELEASE["release"], "rl": {"of": "sample"}}}
    job = built(tmp_path, {"split": {"sides": {"rl": "k = 4", "sft": "else"}}}, chosen, release)
    control = tiny.config(job, "control")
    assert control["completion"].len() > 0 and set(control["side"]) == {"sft"}
    assert control["id"].n_unique() == tiny.config(job, "sft")["id"].n_unique() == 3


def test_single_traces_are_chosen_by_their_value(tmp_path: Path) -> None:
    """Ten traces of 32 right ones, the shortest, whatever question they answer; beside them ten random traces."""
    steps = [
        {"drop": {"of": "trace", "if": {"wrong": "NOT correct"}}},
        {"sql": {"as": "sizes", "of": "trace", "gives": {"size": "length(text) + CAST(answer AS INT)"}}},
        {"select": {"of": "trace", "rule": {"type": "column", "by": "size", "take": "least"}, "budget": 10}},
    ]
    release = {"release": {**RELEASE["release"], "sft": {"of": "trace", "columns": ["size"]}}}
    job = built(tmp_path, *steps, release)
    chosen, random, every = (completions(job, name) for name in ("sft", "control", "unfiltered"))
    assert (len(chosen), len(random), len(every)) == (10, 10, 32)
    assert [-row["value"] for row in chosen] == [row["size"] for row in chosen]
    assert sorted(row["size"] for row in chosen) == sorted(row["size"] for row in every)[:10]
    assert {row["row"] for row in random} <= {row["row"] for row in every} != {row["row"] for row in chosen}
    assert verify_release(tiny.release(job)).holds


def test_what_the_student_solves_already_is_left_out(tmp_path: Path) -> None:
    job = built(tmp_path, {"select": {"rule": {"type": "base_fails", "max_correct": None}}}, RELEASE)
    assert {row["k"] for row in completions(job, "sft")} == {0, 1, 2, 3}
    gone = tiny.dropped(job, "select")
    assert {json.loads(evidence)["k"] for evidence in gone["evidence"]} == {4}
    assert set(gone["reason"]) == {"select:too_easy"}


def test_a_row_of_which_hardly_a_rollout_counts_is_no_hard_row(tmp_path: Path) -> None:
    """Three of four replies that give no answer leave one that is wrong: 0 of 1 is unmeasured, also where it is kept."""
    few = rows()
    for row in few[:4]:
        row["tried"] = [{"text": "I cannot tell", "model": "student"}] * 3 + [{"text": "7777", "model": "student"}]
    steps = [{"difficulty": {"unmeasured": "keep"}} if step == "difficulty" else step for step in STEPS]
    recipe = recipe_build.write_recipe(tmp_path, [*steps, HARD], few, driver={"workers": 1})
    job = recipe_build.built(recipe, tmp_path / "out", COLUMNS)
    reasons = tiny.dropped(job, "select")["reason"].to_list()
    assert reasons.count("select:unmeasured") == 4
    assert {row["k"] for row in tiny.rows(job, "difficulty").to_dicts() if row["n"] == 1} == {0}

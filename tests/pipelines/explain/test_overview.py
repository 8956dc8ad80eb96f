"""A recipe at a glance: what it gives, needs and asks of a sample, from what it compiles to."""

from pathlib import Path

import pytest
import recipe_build

from pipelines.explain.overview import overview
from pipelines.job import compile_recipe

MODELS = {"eye": {"model": "reference-vlm"}, "reader": {"model": "smollm2-135m-instruct"}}


def test_completions_are_counted_along_the_rows_that_steps_make(tmp_path: Path) -> None:
    steps = [
        {"caption": {"model": "eye"}},
        {"distill": {"model": "reader", "sees": "nothing", "n": 3, "prompt": "{{ caption }} {{ question }}"}},
        "verify",
        {"judge": {"model": "reader", "votes": 2, "sampling": {"temperature": 1.0}}},
        {"rollout": {"model": ["eye", "reader"], "n": 5}},
        {"verify": {"as": "scored", "of": "rollout"}},
        "difficulty",
        {"release": {"sft": {"of": "trace", "where": "judge = 'yes'"}, "rl": {"of": "sample"}}},
    ]
    path = recipe_build.write_recipe(tmp_path, steps, recipe_build.sums(1), models=MODELS)
    found = overview(compile_recipe(str(path)))
    # a caption, three traces, two votes on each of those, and five rollouts of each of two students
    assert found.calls == 1 + 3 + 3 * 2 + 2 * 5
    assert set(found.gives) == {"sft", "rl"}
    assert found.family == "" and found.path == path
    assert {role: (need.sees, need.steps) for role, need in found.needs.items()} == {
        "eye": (True, ("caption", "rollout")),
        "reader": (True, ("distill", "judge", "rollout")),
    }


def test_what_answers_decide_has_no_count(tmp_path: Path) -> None:
    steps = [
        {"distill": {"model": "reader", "sees": "nothing"}},
        {"segment": {"of": "trace"}},
        {"judge": {"of": "segment", "model": "reader", "prompt": "{{ text }}?"}},
        {"tally": {"of": "segment", "to": "trace", "gives": {"sound": "count(*) FILTER (judge = 'yes')"}}},
        {"release": {"sft": {"of": "trace", "where": "sound > 0"}}},
    ]
    path = recipe_build.write_recipe(tmp_path, steps, recipe_build.sums(1), models=MODELS)
    assert overview(compile_recipe(str(path))).calls is None


@pytest.mark.parametrize(("name", "calls"), [("llava_cot", 4), ("wethink", 55), ("mpo_mmpr", None)])
def test_published_recipes(name: str, calls: int | None) -> None:
    assert overview(compile_recipe(name)).calls == calls

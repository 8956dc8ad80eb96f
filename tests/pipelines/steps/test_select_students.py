"""Rules over two students in whole builds: each measured by a step of its own, one only where the other found rows easy."""

from pathlib import Path
from typing import Any

import pytest
import recipe_build
import tiny

from pipelines.job import Job
from pipelines.release.verify import verify_release
from schemas.errors import ConfigError

COLUMNS = "sources.sums.columns={small: [{text: str, model: str}], large: [{text: str, model: str}]}"
RIGHT = {"both": (4, 4), "large": (0, 4), "seldom": (0, 1), "small": (4, 0), "none": (0, 0)}
"""How often of four times the small and the large one are right."""


def replies(n: int, right: int, model: str) -> list[dict[str, str]]:
    return [{"text": str(2 * n if place < right else 7777), "model": model} for place in range(4)]


def rows() -> list[dict[str, Any]]:
    return [
        {
            "question": f"{name}: what is {n} + {n}?",
            "answer": str(2 * n),
            "small": replies(n, small, "3b"),
            "large": replies(n, large, "72b"),
        }
        for n, (name, (small, large)) in enumerate(RIGHT.items(), 1)
    ]


def measuring(**small: str) -> list[Any]:
    return [
        {"unfold": {"as": "tries_large", "column": "large", "makes": "rollout"}},
        {"unfold": {"as": "tries_small", "column": "small", "makes": "rollout"}},
        {"verify": {"as": "scored", "of": "rollout"}},
        {"difficulty": {"as": "by_large", "of": "tries_large"}},
        {"difficulty": {"as": "by_small", "of": "tries_small", **small}},
    ]


def build(folder: Path, select: dict[str, Any], **small: str) -> Job:
    steps = [*measuring(**small), {"select": select}, {"release": {"rl": {"of": "sample"}, "trainer": None}}]
    recipe = recipe_build.write_recipe(folder, steps, rows(), driver={"workers": 1})
    return recipe_build.built(recipe, folder / "out", COLUMNS)


def reasons(job: Job) -> dict[str, str | None]:
    gone = dict(tiny.dropped(job, "select").select("id", "reason").iter_rows())
    asked = tiny.rows(job, "ingest").select("question", "id").iter_rows()
    return {question.split(":")[0]: gone.get(id_) for question, id_ in asked}


TWO = {"type": "students", "rules": {"small": "base_fails", "large": {"type": "vl_rethinker", "min_correct": 2}}}
WHOSE = {"small": "by_small", "large": "by_large"}


def test_what_the_large_one_solves_and_the_small_one_does_not(tmp_path: Path) -> None:
    job = build(tmp_path, {"rule": TWO, "k": WHOSE})
    assert reasons(job) == {
        "both": "select:small_too_easy",
        "large": None,
        "seldom": "select:large_too_hard",
        "small": "select:small_too_easy",
        "none": "select:large_too_hard",
    }
    (row,) = tiny.config(job, "rl").to_dicts()
    assert (row["model"], row["k"], row["n"]) == ("3b", 0, 4), "a release carries the numbers of the first student"
    assert verify_release(tiny.release(job)).holds


def test_a_student_may_be_asked_only_where_another_found_rows_easy(tmp_path: Path) -> None:
    """VL-Rethinker asked its 7B model about half of the rows, those that are easy for the 32B one; for itself it takes what
    it gets right at least once, and nobody knows of the others."""
    select = {"rule": "vl_rethinker", "k": "by_small"}
    job = build(tmp_path, select, where="by_large.k = by_large.n")
    assert reasons(job) == {
        "both": None,
        "large": "select:too_hard",
        "seldom": "select:unmeasured",
        "small": "select:unmeasured",
        "none": "select:unmeasured",
    }


def test_a_rule_of_two_numbers_reads_them_by_the_names_of_its_students(tmp_path: Path) -> None:
    """Thyme: with the tool and without it. `both` is always right, and `seldom` is right once in four times."""
    job = build(tmp_path, {"rule": "thyme", "k": {"tool": "by_large", "direct": "by_small"}})
    assert reasons(job) == {
        "both": "select:too_easy",
        "large": "select:too_easy",
        "seldom": None,
        "small": "select:too_hard",
        "none": "select:too_hard",
    }


def test_a_student_whom_no_step_measured_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the rule judges the student 'large', so say which step measured it"):
        build(tmp_path, {"rule": TWO, "k": {"small": "by_small"}})
    with pytest.raises(ConfigError, match=r"`by_medium\.k`, and no step|by_medium"):
        build(tmp_path / "other", {"rule": TWO, "k": {"small": "by_small", "large": "by_medium"}})

"""Traces whose reasoning does not lead to the gold, dropped by the recipe of docs/recipes.md in a whole build."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from recipe_build import built, write_recipe
from scripted_engine import Scripted, question_of
from tiny import dropped

from schemas.completion import Request

DOCS = Path(__file__).parents[3] / "docs" / "recipes.md"
SUMS = (2, 3, 4)
THOUGHTS = {
    2: "Two and two are four. So the answer is 4.",
    3: "Three and three are five. So the answer is 6.",  # it states the gold that it saw, and reasons to another number
    4: "The answer is 8.",
}


def documented() -> list[Any]:
    part = DOCS.read_text(encoding="utf-8").split("### Thoughts that are checked")[1]
    found = re.search(r"```yaml\n(.*?)```", part, re.DOTALL)
    assert found is not None
    steps: list[Any] = yaml.safe_load(found[1])["steps"]
    return steps


def says(request: Request, index: int) -> str | None:
    """A teacher who sees the gold and gets it right, and a model that concludes from what it reads."""
    number = int(question_of(request).split()[2])
    if "Explain" in question_of(request):
        return f"<think>{THOUGHTS[number]}</think><answer>{2 * number}</answer>"
    assert request.prefix and "answer is 4" not in request.prefix and "answer is 6" not in request.prefix
    return " four" if "four" in request.prefix else " five"


def test_a_thought_that_ends_elsewhere_than_its_answer_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted(says).install(monkeypatch)
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in SUMS]
    models = {name: {"model": "reference-vlm"} for name in ("reasoner", "vlm")}
    job = built(write_recipe(tmp_path, documented(), rows, models=models, driver={"workers": 1}), tmp_path / "out")
    alive = job.rows("trace", ["scored.correct", "again.correct", "thought"]).to_dicts()
    assert [(row["scored.correct"], row["again.correct"], row["thought"]) for row in alive] == [
        (True, True, "Two and two are four.")
    ]
    (gone,) = dropped(job, "unsupported").to_dicts()
    assert gone["reason"] == "unsupported:other_answer"
    concluded = "Three and three are five. So the answer is five"
    assert json.loads(gone["evidence"]) == {"again.correct": False, "concluded": concluded, "final": "6"}
    assert dropped(job, "thought")["reason"].to_list() == ["thought:nothing_left"]

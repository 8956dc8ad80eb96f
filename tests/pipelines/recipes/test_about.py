"""What the recipes that come with curate say of themselves, and that nothing in them is idle."""

import re
from collections import Counter
from pathlib import Path

import pytest

from pipelines.explain.overview import overview
from pipelines.faults import notes
from pipelines.job import compile_recipe
from pipelines.recipe.library import RECIPES, recipe_names

PATHS = tuple(dict.fromkeys(recipe_names().values()))
FAMILIES = {
    "captions_as_reward", "critique", "curriculum", "difficulty_selection", "evaluation", "modality_bridging", "perception",
    "preference", "question_synthesis", "rejection_sampling", "text_first",
}  # fmt: skip
TRL = "trl's own grader reads no"
"""Traces that are not boxed, as published, are not shown to the grader of trl."""

MEANT = {
    "observe-r1": "rl.prompt: the released prompts differ",  # measured step by step, trained with a place to observe
    "llava-onevision-rl": "direct.prompt: the released prompts differ",  # its first stage asks for the answer alone
}
"""Notes about what was published like that."""


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_a_recipe_says_what_it_follows_and_asks_for_nothing_idle(path: Path) -> None:
    compiled = compile_recipe(str(path))
    found, about = overview(compiled), compiled.document.about
    assert found.name == path.stem.replace("_", "-")
    assert found.gives
    assert all(need.steps for need in found.needs.values())
    assert compiled.pipeline.unread == ()
    meant = MEANT.get(found.name, TRL)
    assert [note for note in notes(compiled) if TRL not in note and meant not in note] == []
    if path.parent != RECIPES:
        assert found.family in FAMILIES
        assert about.differs
        assert about.paper or about.code
        assert about.paper is None or re.match(r"arXiv \d{4}\.\d{5}\b", about.paper)
        assert about.code is None or re.fullmatch(r"[\w.-]+/[\w.-]+", about.code)


@pytest.mark.parametrize(
    "path", [path for path in PATHS if path.parent.name in FAMILIES - {"evaluation"}], ids=lambda path: path.stem
)
def test_a_recipe_that_trains_on_questions_of_a_benchmark_says_so(path: Path) -> None:
    document = compile_recipe(str(path)).document
    if any(getattr(source, "split", "train").startswith("test") for source in document.sources):
        assert re.search("test questions|evaluation set", " ".join(document.about.differs))


def test_what_is_meant_is_still_noted() -> None:
    for name, note in MEANT.items():
        compiled = compile_recipe(name.replace("-", "_"))
        assert any(note in one for one in notes(compiled)), name


def test_no_two_recipes_share_a_name() -> None:
    assert [name for name, count in Counter(path.stem for path in PATHS).items() if count > 1] == []

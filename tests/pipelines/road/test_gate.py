"""A grader that reads nothing of the traces a recipe asks for is a mistake of the recipe, told before anything starts."""

from pathlib import Path

import pytest

from pipelines.preflight import check_recipe
from pipelines.recipe.load import load_recipe
from pipelines.recipe.recipe import Recipe
from pipelines.road.notes import notes
from schemas.errors import ConfigError

BARE = """\
name: tiny
models: {vlm: {model: reference-vlm}}
sources: [{type: easy_vqa, limit: 5}]
"""
REASONER = "distill: {model: vlm}\n"


def load(folder: Path, text: str) -> Recipe:
    path = folder / "tiny.yaml"
    path.write_text(BARE + text)
    return load_recipe(str(path))


@pytest.mark.parametrize(
    ("trainer", "tags", "kinds", "cure"),
    [
        ("trl", "think_answer", "choice, number or expression", "think_answer_boxed"),
        ("verl", "think_tail", "choice, number or expression", "think_tail_boxed"),
        ("easyr1", "think_tail_boxed", "choice, number or expression", "think_answer"),
        ("ms_swift", "think_answer", "choice or expression", "think_answer_boxed"),
    ],
)
def test_a_named_grader_that_reads_no_trace_is_refused(
    tmp_path: Path, trainer: str, tags: str, kinds: str, cure: str
) -> None:
    recipe = load(tmp_path, REASONER + f"verify: {{tags: {tags}}}\nrelease:\n  trainer: {trainer}\n")
    with pytest.raises(ConfigError) as caught:
        check_recipe(recipe)
    told = str(caught.value)
    assert f"tiny.yaml:7: release.trainer: {trainer}'s own grader reads no {kinds} answer" in told
    assert f"verify.tags '{tags}'" in told
    assert cure in told.partition("set verify.tags to one of ")[2]
    assert "release.trainer to null" in told
    cured = load(tmp_path, REASONER + f"verify: {{tags: {cure}}}\nrelease: {{trainer: {trainer}}}\n")
    check_recipe(cured)
    assert not list(notes(cured))


def test_the_default_grader_stands_against_no_choice_of_tags_and_it_is_told(tmp_path: Path) -> None:
    recipe = load(tmp_path, REASONER + "verify: {tags: think_answer}\n")
    check_recipe(recipe)
    (note,) = notes(recipe)
    assert "release.trainer: trl's own grader reads no choice, number or expression answer" in note
    assert "it is asked about gold answers only" in note
    assert "set release.trainer to easyr1, or verify.tags to one of" in note


@pytest.mark.parametrize(
    "text",
    [
        REASONER,
        "verify: {tags: think_answer}\nrelease: {trainer: trl}\n",
        REASONER + "verify: {tags: think_answer}\nrelease: {trainer: null}\n",
        REASONER + "verify: {tags: think_answer}\nrelease: {trainer: easyr1}\n",
    ],
)
def test_what_fits_is_neither_refused_nor_told(tmp_path: Path, text: str) -> None:
    recipe = load(tmp_path, text)
    check_recipe(recipe)
    assert not list(notes(recipe))

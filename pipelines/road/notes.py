"""What a recipe may do and its author should know: notes of `curate validate`, which refuse nothing."""

from collections.abc import Iterator

from filters.verify.reward import BUDGET_S
from generators.prompts import same_prompt
from pipelines.recipe.recipe import Recipe
from pipelines.road.gate import gate_notes
from schemas.tags import TAG_SCHEMAS


def notes(recipe: Recipe) -> Iterator[str]:
    """A sentence a note, with the place of its key in front."""
    yield from (
        recipe.placed(note)
        for note in (*_of_prompts(recipe), *_of_tags(recipe), *_of_budget(recipe), *gate_notes(recipe))
    )


def _of_budget(recipe: Recipe) -> Iterator[str]:
    """Where curation takes longer over an answer than the reward may."""
    given = recipe.verify.budget_s
    if recipe.rollouts is not None and given > BUDGET_S:
        yield (
            f"verify.budget_s: the reward of a release has {BUDGET_S:g} s for an answer; one scored here after that, "
            f"within {given:g} s, fails the build when it is graded again."
        )


def _of_tags(recipe: Recipe) -> Iterator[str]:
    """Where replies are read by marks that nothing in the prompt asks for: a model that writes none gives no answer."""
    if recipe.rollouts is None:
        return
    schema, asked = TAG_SCHEMAS[recipe.rollouts.tags], recipe.rollouts.asked
    part = next(section for section in schema.sections if section.name == schema.answer)
    mark = part.open or ("\\boxed" if schema.inner == "boxed" else "")
    if mark and mark not in f"{asked.system or ''}{asked.template}":
        yield (
            f"rollouts.tags: '{schema.name}' looks for the answer after {mark}, and neither rollouts.system nor "
            "rollouts.prompt asks for it; ask for it, unless the model was trained to write it, or take `plain`."
        )


def _of_prompts(recipe: Recipe) -> Iterator[str]:
    """Where a release puts its questions in other words than the student was asked in."""
    if recipe.rollouts is None:
        return
    measured, release = recipe.rollouts.asked, recipe.release
    for key in ("system", "suffix"):
        only = release.model_copy(update=dict.fromkeys({"system", "suffix"} - {key}))
        if not same_prompt(only.prompt(measured), measured):
            of = "rollouts.system" if key == "system" else "rollouts.prompt"
            yield (
                f"release.{key}: the released prompts differ from {of}, under which difficulty was measured; leave it "
                "out to release them as they were asked."
            )

"""Whether rows go out in the words in which their k of n were measured."""

from collections.abc import Sequence

from generators.asking.requests import template
from pipelines.compiler.pipeline import Step
from pipelines.steps.release_measured import rollouts_of
from pipelines.steps.release_plan import Planned
from pipelines.steps.release_tags import ask_of


def asking(measured: Step, steps: Sequence[Step]) -> Step | None:
    """The step that asked for the rollouts which a `difficulty` counts, the first of several; None where they came with a
    source."""
    return next(iter(all_asking(measured, steps)), None)


def all_asking(measured: Step, steps: Sequence[Step]) -> list[Step]:
    """Every step that asked for rollouts which a `difficulty` counts."""
    return [step for step in steps if step.name in rollouts_of(measured) and step.asks]


def other_words(planned: Planned, asked: Step) -> tuple[str, ...]:
    """Which of `prompt` and `system` a config puts in other words than the rollouts of `asked` were asked in.

    Worked examples and what the model was shown belong to the prompt: one that the release puts itself has no examples, and
    shows the row's images.
    """
    put, config = planned.put, ask_of(asked)
    if put.config is not None:
        own = put.config
        same = (own.prompt, own.shots, own.shown) == (config.prompt, config.shots, config.shown)
        return (*(() if same else ("prompt",)), *(() if own.system == config.system else ("system",)))
    system = template(config.system) if config.system else None
    same = template(config.prompt) == put.prompt and not config.shots and config.shown == ("media",)
    return (*(() if same else ("prompt",)), *(() if system == put.system else ("system",)))

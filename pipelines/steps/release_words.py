"""Whether rows go out in the words in which their k of n were measured."""

from collections.abc import Sequence

from generators.asking.requests import template
from pipelines.compiler.pipeline import Step
from pipelines.steps.as_asked import ask_of
from pipelines.steps.release_measured import rollouts_of
from pipelines.steps.release_plan import Planned


def asking(measured: Step, steps: Sequence[Step]) -> Step | None:
    """The `ask` that made the rollouts which a `difficulty` counts, the first of several; None where they came with a
    source, or were asked for by code of the recipe's own."""
    return next(iter(all_asking(measured, steps)), None)


def all_asking(measured: Step, steps: Sequence[Step]) -> list[Step]:
    """Every `ask` that made rollouts which a `difficulty` counts."""
    return [step for step in steps if step.name in rollouts_of(measured) and ask_of(step) is not None]


def other_words(planned: Planned, asked: Step) -> tuple[str, ...]:
    """Which of `prompt` and `system` a config puts in other words than the rollouts of `asked` were asked in.

    Worked examples and what the model was shown belong to the prompt: one that the release puts itself has no examples, and
    shows the row's images.
    """
    put, config = planned.put, ask_of(asked)
    assert config is not None  # as `asking` gives it
    if put.config is not None:
        own = put.config
        same = (own.prompt, own.shots, own.shown) == (config.prompt, config.shots, config.shown)
        return (*(() if same else ("prompt",)), *(() if own.system == config.system else ("system",)))
    system = template(config.system) if config.system else None
    same = template(config.prompt) == put.prompt and not config.shots and config.shown == ("media",)
    return (*(() if same else ("prompt",)), *(() if system == put.system else ("system",)))

"""Notes of a recipe whose rows may go out otherwise than they were measured: in other words, under tags that nothing asks
for, or with a reward that has less time than the verifier had."""

from collections.abc import Iterator

from filters.verify.reward import BUDGET_S
from filters.verify.step import VerifyConfig
from generators.asking.config import AskConfig
from generators.asking.requests import Asking
from generators.presets.rollout import RolloutConfig
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.job import Compiled
from pipelines.steps.as_asked import ask_of
from pipelines.steps.release_config import ReleaseConfig
from pipelines.steps.release_measured import measured_by
from pipelines.steps.release_plan import plan
from pipelines.steps.release_words import asking, other_words
from schemas.reply_shape import Form
from schemas.tags import TAG_SCHEMAS


def puts_other_words(compiled: Compiled, step: Step) -> Iterator[str]:
    """Configs of a release whose prompts are not those to which the student replied."""
    if not isinstance(step.config, ReleaseConfig):
        return
    steps = compiled.pipeline.before(step)
    before = Before(compiled.pipeline.names, steps)
    measured = measured_by(step.config, before)
    asked = None if measured is None else asking(measured, steps)
    if asked is None:
        return
    for planned in plan(step.config, before):
        if planned.measured is None or planned.selected_by is not None:  # extras are put like the config beside them
            continue
        for name in other_words(planned, asked):
            if getattr(planned.section, name) is not None:
                yield (
                    f"{planned.name}.{name}: the released prompts differ from '{asked.name}.{name}', under which difficulty "
                    "was measured; leave it out to release them as they were asked."
                )


def has_less_time(compiled: Compiled, step: Step) -> Iterator[str]:
    """A release whose reward has less time for an answer than the verifier had."""
    given = compiled.document.driver.verify_seconds
    if not isinstance(step.config, ReleaseConfig) or given <= BUDGET_S:
        return
    steps = compiled.pipeline.before(step)
    if measured_by(step.config, Before(compiled.pipeline.names, steps)) is not None:
        yield (
            f"driver.verify_seconds: the reward of a release has {BUDGET_S:g} s for an answer; one scored here after that, "
            f"within {given:g} s, fails the build when it is graded again."
        )


def looks_for_what_nobody_asks(compiled: Compiled, step: Step) -> Iterator[str]:
    """A step that reads answers by a mark that nothing in the prompt asks for: a model that writes none gives no answer."""
    if isinstance(step.config, RolloutConfig):
        yield from _not_asked_for(step.config.tags, ask_of(step), "`system` nor `prompt`")
    if not isinstance(step.config, VerifyConfig) or step.config.tags is None:
        return
    for name in sorted(step.node.makers):
        maker = compiled.pipeline.step(name)
        named_there = isinstance(maker.config, RolloutConfig) and maker.config.tags == step.config.tags
        if not named_there:
            yield from _not_asked_for(step.config.tags, ask_of(maker), f"`system` nor `prompt` of '{name}'")


def _not_asked_for(tags: str, asks: AskConfig | None, where: str) -> Iterator[str]:
    if asks is None:
        return
    schema = TAG_SCHEMAS[tags]
    answer = next(section for section in schema.sections if section.name == schema.answer)
    mark = answer.open or ("\\boxed" if schema.inner == "boxed" else "")
    given = (asks.system, asks.prompt, asks.prefix, *(shot.reply for shot in asks.shots))
    if not mark or any(mark in str(text) for text in given if text is not None) or _held_to(tags, asks):
        return
    yield (
        f"'{tags}' looks for the answer after {mark}, and neither {where} asks for it; ask for it, unless the model was "
        "trained to write it, or take `tags: plain`."
    )


def _held_to(tags: str, asks: AskConfig) -> bool:
    """Whether decoding is held to the sections of that schema."""
    held = isinstance(asks.reply, Form) and asks.reply.tags == tags
    return held and Asking(asks).constraint is not None

"""How rows were asked and are read: the steps before one that puts the same prompt once more."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import cast

from generators.asking.config import AskConfig
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.run.context import StepContext
from pipelines.steps.release_measured import reads_by, verifies
from schemas.step import Context, Known


def steps_before(known: Known) -> tuple[Step, ...]:
    """The steps before the one that asks the compiler."""
    return cast(Before, known).steps


def makers(of: str | tuple[str, ...], known: Known) -> frozenset[str]:
    """The steps that made the rows of `of`."""
    return cast(Before, known).node(of).makers


def running_step(context: Context) -> tuple[Step, tuple[Step, ...]]:
    """The step whose body runs, and those before it."""
    running = cast(StepContext, context)
    return running.step, running.pipeline.before(running.step)


def makers_above(makers: Iterable[str], steps: Sequence[Step]) -> frozenset[str]:
    """The steps that made the rows of which `makers` made theirs."""
    return frozenset().union(*(step.node.makers for step in steps if step.name in makers))


def ask_of(step: Step) -> AskConfig | None:
    """The section of `ask` that a step stands for; None of one that asks nobody, or asks in code of its own."""
    found = step.config if step.type.expand is None else step.type.expand(step.config)
    return found if isinstance(found, AskConfig) and step.asks else None


def asked_by(makers: Iterable[str], steps: Sequence[Step]) -> tuple[str, AskConfig]:
    """The step that asked for the rows of `makers`, and its section as one of `ask`.

    Raises ValueError, in a sentence, where several steps made them, or one that is no `ask`.
    """
    found = [step for step in steps if step.name in makers]
    if len(found) != 1:
        names = " and ".join(f"'{step.name}'" for step in found) or "no step"
        raise ValueError(
            f"{names} made the rows, so no one prompt is theirs; write `prompt`, or name one step with `of`"
        )
    [step] = found
    section = ask_of(step)
    if section is None:
        how = "asks in code of its own" if step.asks else "asked no model"
        raise ValueError(f"'{step.name}', which made the rows, {how}; write the `prompt` that they answer")
    return step.name, section


def read_by(makers: AbstractSet[str], steps: Sequence[Step], asked: AskConfig) -> str:
    """The tag schema by which the answers of rows are read: that of the last `verify` over them, else the one in which they
    were asked for."""
    over = [step for step in steps if verifies(step) and step.node.makers & makers]
    return reads_by(over[-1]) if over else asked.answer_tags

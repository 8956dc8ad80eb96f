"""Which difficulty the rows of a release carry, and how the rollouts that it counts were asked and scored."""

from filters.sql.expression import Condition
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.steps.release_config import ReleaseConfig


def selecting(before: Before) -> Step | None:
    return next((step for step in reversed(before.steps) if step.type.name == "select"), None)


def measured_by(config: ReleaseConfig, before: Before) -> Step | None:
    """The `difficulty` whose k of n the rows carry: as the section says, else as `select` reads it, else the first.

    One that was measured before a later step changed the question or its gold belongs to no row that goes out.
    """
    every = [step for step in before.steps if step.type.name == "difficulty"]
    found = [step for step in every if before.changed_by(step) is None]
    old = next((step for step in every if step not in found and step.name == config.measured_by), None)
    if old is not None:
        raise ValueError(
            f"measured_by: '{old.name}' measured before '{before.changed_by(old)}' changed what it depends on; measure "
            f"again after '{before.changed_by(old)}', and name that"
        )
    if config.measured_by is not None:
        named = next((step for step in found if step.name == config.measured_by), None)
        if named is None:
            names = ", ".join(step.name for step in found) or "none"
            raise ValueError(f"measured_by: no difficulty is named '{config.measured_by}'; there are: {names}")
        return named
    chosen = selecting(before)
    reads = getattr(chosen.config, "k", None) if chosen is not None else None
    return next((step for step in found if step.name == reads), found[0] if found else None)


def rollouts_of(measured: Step) -> tuple[str, ...]:
    """The steps that made what a difficulty counts."""
    return tuple(sorted(next(iter(measured.beside.values())).node.makers))


def measured_tags(measured: Step, before: Before) -> str:
    """The tag schema that the counted replies were scored in: that of the step which verified them."""
    steps = {step.name: step for step in before.steps}
    counted = next(iter(measured.beside.values()))
    for name in ("correct", "score", "no_answer"):
        for column in counted.sources[name].columns if name in counted.sources else ():
            if steps[column.step].type.name == "verify":
                return str(getattr(steps[column.step].config, "tags", None) or "plain")
    return "plain"


def decided_by(measured: Step) -> str:
    """Who decided about replies that no rule could tell: the steps that gave last what is counted as right."""
    counted = next(iter(measured.beside.values()))
    names = {".".join(reference) for reference in Condition(measured.config.correct).references}
    steps = {counted.sources[name].columns[-1].step for name in names}
    return f"no rule could tell; decided by {' and '.join(sorted(steps))}"

"""Which difficulty the rows of a release carry, and how the rollouts that it counts were asked and scored."""

from filters.sql.expression import Condition
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.steps.release_config import ReleaseConfig


def verifies(step: Step) -> bool:
    """Whether a step gives verdicts of a verifier, and the tier that each is of."""
    return {"correct", "verdict", "tier"} <= step.gives.keys()


def reads_by(verify: Step) -> str:
    """The tag schema by which a step that gives verdicts reads replies."""
    return str(getattr(verify.config, "tags", None) or "plain")


def selecting(before: Before) -> Step | None:
    return next((step for step in reversed(before.steps) if step.type.name == "select"), None)


def measured_by(config: ReleaseConfig, before: Before) -> Step | None:
    """The `difficulty` whose k of n the rows carry: as the section says, else as `select` reads it, else the first.

    One that was measured before a later step changed the question or its gold belongs to no row that goes out, and neither
    does one of samples of which others were made, where only the others go out.
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
        if not any(measures(named, section.of, before) for section in config.configs.values()):
            raise ValueError(
                f"measured_by: '{named.name}' measured samples of which none goes out, only what was made of them; measure "
                "those that go out, or leave it out"
            )
        return named
    found = [step for step in found if any(measures(step, section.of, before) for section in config.configs.values())]
    chosen = selecting(before)
    reads = getattr(chosen.config, "measured_by", None) if chosen is not None else None
    return next((step for step in found if step.name == reads), found[0] if found else None)


def measures(measured: Step, of: str | tuple[str, ...], before: Before) -> bool:
    """Whether some of the rows of `of` are, or belong to, samples that a `difficulty` measured.

    A sample that was made of such a one reads its numbers as what it was made from has them, but asks another question.
    """
    return f"{measured.name}.k" in before.types(of) and (
        measured.node.unit != "sample" or bool(measured.node.makers & before.samples(of))
    )


def rollouts_of(measured: Step) -> tuple[str, ...]:
    """The steps that made what a difficulty counts."""
    return tuple(sorted(next(iter(measured.beside.values())).node.makers))


def scored_by(measured: Step, before: Before) -> Step | None:
    """The `verify` that scored the counted replies: the one that gives what is counted as right, else the last over them.

    None where no rule scored them.
    """
    steps = {step.name: step for step in before.steps}
    [counted] = measured.beside.values()
    given = [column for source in counted.sources.values() for column in source.columns]
    giving = sorted((c.name != "correct", c.step) for c in given if verifies(steps[c.step]))
    over = [s.name for s in before.steps if verifies(s) and s.node.makers & counted.node.makers]
    name = giving[0][1] if giving else over[-1] if over else None
    return None if name is None else steps[name]


def measured_tags(measured: Step, before: Before) -> str:
    """The tag schema that the counted replies were scored in."""
    scored = scored_by(measured, before)
    return "plain" if scored is None else reads_by(scored)


def decided_by(measured: Step) -> str:
    """Who decided about replies that no rule could tell: the steps that gave last what is counted as right."""
    counted = next(iter(measured.beside.values()))
    names = {".".join(reference) for reference in Condition(measured.config.correct).references}
    steps = {counted.sources[name].columns[-1].step for name in names}
    return f"no rule could tell; decided by {' and '.join(sorted(steps))}"

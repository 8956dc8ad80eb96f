"""Which rules may read counts of rollouts that stopped early: those whose window is what the stopping decides."""

from collections.abc import Iterator
from typing import Any, cast

from filters.select.rules import in_band
from filters.select.rules.catalogue import RULES
from filters.select.rules.students import StudentsConfig
from filters.select.select import Selection
from pipelines.compiler.compile import Before
from pipelines.steps.selection_columns import Measured
from schemas.step import Known


def check_adaptive(config: Selection, measured: Measured, known: Known) -> None:
    """Raise ValueError where a rule counts out of n rollouts, and adaptive ones stop before n.

    After any number of answers the ends 0 and n mean the same, and so do 1 and n - 1 where they are what the band decides.
    `measured` says whose counts the rule, or the rule of each student, reads.
    """
    for rule, step in _counting(config.rule, measured):
        _check(rule, step, cast(Before, known))


def _counting(rule: Any, measured: Measured) -> Iterator[tuple[Any, str | None]]:
    """Rules that read counts, and the step that gives them; None: the only one."""
    if isinstance(rule, StudentsConfig):
        for student, own in rule.rules.items():
            yield from ((found, measured.students.get(student)) for found, _ in _counting(own, measured))
    elif {"k", "n"} & {*RULES[type(rule)].columns(rule)}:
        yield rule, measured.measured_by


def _check(rule: Any, measured_by: str | None, before: Before) -> None:
    if isinstance(rule, in_band.InBandConfig):
        return
    counting = [s for s in before.steps if "in_band" in s.gives and s.makes is None and measured_by in (None, s.name)]
    for rollout in {name for step in counting for found in step.beside.values() for name in found.node.makers}:
        asked = next(step.config for step in before.steps if step.name == rollout)
        adaptive, name = getattr(asked, "adaptive", None), rule.type
        if adaptive is None:
            continue
        window, band = RULES[type(rule)].window(rule, asked.n), adaptive.band or (1, asked.n - 1)
        if window is None:
            raise ValueError(
                f"the rule '{name}' counts out of a fixed number of rollouts, and '{rollout}' stops at different ones; take "
                f"steps.{rollout}.adaptive out"
            )
        low, high = window
        n = asked.n
        if not ((low <= 0 or low == 1 == band[0]) and (high >= n or high == n - 1 == band[1])):
            raise ValueError(
                f"the rule '{name}' passes {low} to {high} right of n = {n}, and '{rollout}' stops before n; take the rule "
                f"in_band and steps.{rollout}.adaptive.band=[{low}, {high}], or take `adaptive` out"
            )

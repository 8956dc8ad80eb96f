"""Which rules may read counts of rollouts that stopped early: those whose window is what the stopping decides."""

from typing import cast

from filters.select.rules import in_band
from filters.select.select import Selection, rule_of
from pipelines.compiler.compile import Before
from schemas.step import Known


def check_adaptive(config: Selection, measured_by: str | None, known: Known) -> None:
    """Raise ValueError where a rule counts out of n rollouts, and adaptive ones stop before n.

    After any number of answers the ends 0 and n mean the same, and so do 1 and n - 1 where they are what the band decides.
    `measured_by` names the step whose counts the rule reads; None: the only one.
    """
    if isinstance(config.rule, in_band.InBandConfig):
        return
    steps = cast(Before, known).steps
    counting = [s for s in steps if "in_band" in s.gives and s.makes is None and measured_by in (None, s.name)]
    for rollout in {name for step in counting for found in step.beside.values() for name in found.node.makers}:
        asked = next(step.config for step in steps if step.name == rollout)
        adaptive, rule = getattr(asked, "adaptive", None), config.rule.type
        if adaptive is None:
            continue
        window, band = rule_of(config).window(config.rule, asked.n), adaptive.band or (1, asked.n - 1)
        if window is None:
            raise ValueError(
                f"the rule '{rule}' counts out of a fixed number of rollouts, and '{rollout}' stops at different ones; take "
                f"steps.{rollout}.adaptive out"
            )
        low, high = window
        n = asked.n
        if not ((low <= 0 or low == 1 == band[0]) and (high >= n or high == n - 1 == band[1])):
            raise ValueError(
                f"the rule '{rule}' passes {low} to {high} right of n = {n}, and '{rollout}' stops before n; take the rule "
                f"in_band and steps.{rollout}.adaptive.band=[{low}, {high}], or take `adaptive` out"
            )

"""Free prose: only a judge can grade it (see `judge`), so that without one it is unscored."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from filters.verify.kind import Kind, Metric, Outcome, Params
from schemas.answer import OpenAnswer


class OpenParams(Params):
    """What the judge is given besides the reference."""

    metric: Literal["judge"] = "judge"
    rubric: str | None = Field(default=None, description="what to look for, in words")


def read_gold(raw: str, options: Sequence[str], params: OpenParams) -> OpenAnswer:
    """Any text."""
    return OpenAnswer(raw=raw, reference=raw.strip(), rubric=params.rubric)


def judge(span: str, gold: OpenAnswer, options: Sequence[str], params: OpenParams) -> Outcome:
    """Unscored: rules cannot tell."""
    return Outcome(None, "free prose is for a judge", span[:200], "none")


OPEN = Kind(
    name="open",
    params=OpenParams,
    read_gold=read_gold,
    judge=judge,
    longest=1_000_000,
    metrics={
        "judge": Metric("unscored by rule; a judge's verdict, where one is configured", "WeThink, OmniAlign-V", 0.5)
    },
    gold_forms="any text",
    response_forms="any text",
    show=lambda gold: gold.reference[:200],
    judged=True,
)

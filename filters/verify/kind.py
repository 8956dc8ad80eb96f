"""The contract of an answer kind: four plain functions and a page of documentation, collected in `catalogue`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pydantic import Field

from schemas.answer import Answer
from schemas.section import Section
from schemas.verdict import Tier

NO_PARAMS: Mapping[str, Any] = MappingProxyType({})


class GoldUnparseableError(ValueError):
    """The published answer cannot be read as the kind that its row names. Such a row can teach nothing."""


class Params(Section):
    """What every kind's parameters share."""

    threshold: float | None = Field(
        default=None, gt=0, le=1, description="a response is correct from this score on; unset: the metric's own"
    )
    metric: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One comparison: `score` in [0, 1] or None (unscored), what was read from the response, and why."""

    score: float | None
    explanation: str
    parsed: str | None = None
    tier: Tier = "rule"


@dataclass(frozen=True, slots=True)
class Metric:
    """One way to score a kind: its exact rule, where it is from, and the score from which it counts as correct."""

    rule: str
    source: str
    threshold: float = 1.0


@dataclass(frozen=True)
class Kind:
    """An answer kind.

    `read_gold(raw, options, params)` raises `GoldUnparseableError`. `judge(span, gold, options, params)` compares;
    `settle` is its cheap half, linear in the span, and gives None where only the expensive half can tell.
    `whole`: it is given the whole response instead of the answer span (composites find their own sections).
    `prepare(gold, options, params)` does what a comparison needs of the gold alone, where that may take its time.
    `show` writes a gold for people, and tells two golds apart; `state(gold, params)` writes it as a response would.
    `longest`: characters of an answer; a longer gold is refused, and a longer span is wrong before any work is done on it.
    `judged`: rules leave every response unscored, a judge has to grade it.
    `string_tier`: equal spellings of gold and span settle it at once.
    """

    name: str
    params: type[Params]
    read_gold: Callable[[str, Sequence[str], Any], Answer]
    judge: Callable[[str, Any, Sequence[str], Any], Outcome]
    metrics: Mapping[str, Metric]
    gold_forms: str
    response_forms: str
    settle: Callable[[str, Any, Sequence[str], Any], Outcome | None] | None = None
    prepare: Callable[[Any, Sequence[str], Any], object] | None = None
    show: Callable[[Any], str] = field(default=lambda gold: str(gold.raw))
    state: Callable[[Any, Any], str] = field(default=lambda gold, params: str(gold.raw))
    longest: int = 20_000
    whole: bool = False
    string_tier: bool = False
    symmetric: bool = False
    judged: bool = False


def wrong(explanation: str, parsed: str | None = None) -> Outcome:
    """Zero points, with the reason."""
    return Outcome(0.0, explanation, parsed)

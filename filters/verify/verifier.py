"""The one door: a response and a gold answer in, a verdict out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from filters.verify.catalogue import KINDS
from filters.verify.gold import GoldUnparseableError, parse_gold, read_params
from filters.verify.kind import NO_PARAMS, Kind, Outcome, Params, wrong
from filters.verify.normalise import bare
from schemas.answer import Answer
from schemas.answer_span import answer_span
from schemas.verdict import Verdict, unscored

CHEAP_CHARS = 2000
"""Spans up to this length are judged at once by kinds whose work is small; longer ones where they can be stopped."""
TOLERANCE = 1e-9
"""Scores that differ by less are the same."""
_DEFAULTS: dict[str, Params] = {}


@dataclass(frozen=True, slots=True)
class VerifyItem:
    """One response to be judged. `verifier` is a kind, or `kind:metric`; None means the gold's own kind."""

    response: str
    gold: Answer
    verifier: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    options: Sequence[str] = ()
    tags: str = "think_answer"


def verify(
    response: str,
    gold: Answer,
    *,
    verifier: str | None = None,
    params: Mapping[str, Any] = {},
    options: Sequence[str] = (),
    tags: str = "think_answer",
) -> Verdict:
    """Judges one response, in this process. Never raises: what goes wrong inside is an unscored verdict that says so.

    A formula can be written that takes years to compare. Where responses come from models, use `pool.VerifierPool`,
    which gives the same verdicts and can stop.
    """
    return verify_item(VerifyItem(response, gold, verifier, params, options, tags))


def verify_item(item: VerifyItem) -> Verdict:
    """`verify`, of an item."""
    return _guarded(item, cheap=False) or unscored("no verdict")


def settle(item: VerifyItem) -> Verdict | None:
    """The verdict where it costs little and is sure to end; None where the item belongs in a process of its own."""
    return _guarded(item, cheap=True)


def state_of(gold: Answer, verifier: str | None = None, params: Mapping[str, Any] = NO_PARAMS) -> str:
    """The gold as a response would state it: the text of its answer span, or all sections of a composite.

    Raises `ValueError` where verifier or parameters do not fit the gold.
    """
    name, _, metric = (verifier or gold.kind).partition(":")
    if name not in KINDS:
        raise GoldUnparseableError(f"there is no verifier {verifier!r}")
    settings = _params(KINDS[name], params, metric)
    if gold.kind != name:
        gold = parse_gold(name, gold.raw, params=settings)
    return KINDS[name].state(gold, settings)


def right_from(verifier: str, params: Mapping[str, Any] = NO_PARAMS) -> float:
    """The score from which an answer is right. Raises `ValueError` where there is no such verifier or metric."""
    name, _, metric = verifier.partition(":")
    if name not in KINDS or (metric and metric not in KINDS[name].metrics):
        raise GoldUnparseableError(f"there is no verifier {verifier!r}")
    return _threshold(KINDS[name], _params(KINDS[name], params, metric))


def is_right(score: float, threshold: float) -> bool:
    """Whether a score reaches the one from which an answer is right, but for what rounding takes away."""
    return score >= threshold - TOLERANCE


def _guarded(item: VerifyItem, cheap: bool) -> Verdict | None:
    try:
        return _verify(item, cheap)
    except GoldUnparseableError as error:
        return unscored(f"the gold cannot be used: {error}")
    except Exception as error:  # a verdict is owed for every row, whatever a model wrote
        return unscored(f"{type(error).__name__}: {str(error)[:200]}")


def _verify(item: VerifyItem, cheap: bool) -> Verdict | None:
    name, _, metric = (item.verifier or item.gold.kind).partition(":")
    kind = KINDS.get(name)
    if kind is None or (metric and metric not in kind.metrics):
        return unscored(f"there is no verifier {item.verifier!r}")
    params = _params(kind, item.params, metric)
    gold = item.gold
    if gold.kind != name:
        if cheap and kind.settle is not None:
            return None  # even reading such a gold can take its time
        gold = parse_gold(name, gold.raw, options=item.options, params=params)
    span = item.response if kind.whole else answer_span(item.response, item.tags)
    shown = kind.show(gold)
    if span is None:
        return Verdict(0.0, False, None, "the response holds no answer", "rule", shown)
    if kind.string_tier and bare(span) == bare(gold.raw):
        return Verdict(1.0, True, span, "the gold's own words", "string", shown, shown)
    outcome = _judge(kind, span, gold, item, params, cheap)
    return None if outcome is None else _verdict(kind, outcome, span, shown, params)


def _params(kind: Kind, given: Mapping[str, Any], metric: str) -> Params:
    if not given and not metric:
        if kind.name not in _DEFAULTS:
            _DEFAULTS[kind.name] = kind.params()
        return _DEFAULTS[kind.name]
    return read_params(kind.name, {**given, "metric": metric} if metric else given)


def _judge(kind: Kind, span: str, gold: Answer, item: VerifyItem, params: Params, cheap: bool) -> Outcome | None:
    try:
        if not cheap:
            return kind.judge(span, gold, item.options, params)
        if kind.settle is not None:
            return kind.settle(span, gold, item.options, params)
        return kind.judge(span, gold, item.options, params) if len(span) <= CHEAP_CHARS else None
    except RecursionError:
        return wrong("nested too deeply to be an answer")


def _verdict(kind: Kind, outcome: Outcome, span: str, shown: str, params: Params) -> Verdict:
    if outcome.score is None:
        return Verdict(None, None, span, outcome.explanation, outcome.tier, shown, outcome.parsed)
    score = min(1.0, max(0.0, outcome.score))
    correct = is_right(score, _threshold(kind, params))
    return Verdict(score, correct, span, outcome.explanation, outcome.tier, shown, outcome.parsed)


def _threshold(kind: Kind, params: Params) -> float:
    return params.threshold if params.threshold is not None else kind.metrics[params.metric].threshold

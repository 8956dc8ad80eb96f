"""Golds read and responses judged by whatever kinds are given: the catalogue, or what a composite's parts may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from filters.verify.kind import NO_PARAMS, GoldUnparseableError, Kind, Outcome, Params
from filters.verify.normalise import bare
from schemas.answer import Answer
from schemas.answer_span import answer_span
from schemas.errors import MissingDependencyError
from schemas.tags import TAG_SCHEMAS
from schemas.verdict import Verdict, unscored

VERSION = 10
"""Raised whenever any verdict changes: the step `verify` runs again, and exports say which verifier they carry."""
CHEAP_CHARS = 2000
"""Spans up to this length are judged at once by kinds whose work is small; longer ones where they can be stopped."""
LONGEST_RESPONSE = 1 << 24
"""Characters of a response, reasoning and all, beyond which no answer is looked for in it."""
CANNOT_USE = "the gold cannot be used: "
SHOWN = 500
"""Characters that a verdict shows of a span that is too long to be read."""
TOLERANCE = 1e-9
"""Scores that differ by less are the same."""


@dataclass(frozen=True, slots=True)
class VerifyItem:
    """One response to be judged. `verifier` is a kind, or `kind:metric`; None means the gold's own kind."""

    response: str
    gold: Answer
    verifier: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    options: Sequence[str] = ()
    tags: str = "think_answer"


@dataclass(frozen=True)
class Verifiers:
    """Answer kinds by name, and what can be asked of them."""

    kinds: Mapping[str, Kind]
    _defaults: dict[str, Params] = field(default_factory=dict)

    def parse_gold(self, kind: str, raw: str, options: Sequence[str], params: Mapping[str, Any] | Params) -> Answer:
        """The answer of `kind` that `raw` states, with `raw` kept beside it.

        Raises `GoldUnparseableError` when it states none, or when kind or parameters are unknown.
        """
        if kind not in self.kinds:
            raise GoldUnparseableError(f"no answer kind {kind!r}; there are {', '.join(sorted(self.kinds))}")
        if not raw.strip():
            raise GoldUnparseableError("the answer is empty")
        if len(raw) > (longest := self.kinds[kind].longest):
            raise GoldUnparseableError(f"{len(raw)} characters; an answer of kind {kind} has {longest} at most")
        try:
            settings = params if isinstance(params, Params) else self.read_params(kind, params)
            return self.kinds[kind].read_gold(raw, tuple(options), settings)
        except ValidationError as error:
            raise GoldUnparseableError(f"{raw[:80]!r} is no {kind}: {error.errors()[0]['msg']}") from error
        except (RecursionError, OverflowError) as error:
            raise GoldUnparseableError(f"{raw[:80]!r} is no {kind}: {error}") from error

    def read_params(self, kind: str, params: Mapping[str, Any]) -> Params:
        """The kind's parameters, checked. Raises `GoldUnparseableError` for an unknown name or a value out of range."""
        try:
            return self.kinds[kind].params.model_validate(dict(params))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(p) for p in first["loc"])
            raise GoldUnparseableError(f"parameter {place} of {kind}: {first['msg']}") from error

    def verify(self, item: VerifyItem) -> Verdict:
        """The verdict on an item. Never raises: what goes wrong inside is an unscored verdict that says so."""
        return self._guarded(item, cheap=False) or unscored("no verdict")

    def settle(self, item: VerifyItem) -> Verdict | None:
        """The verdict where it costs little and is sure to end; None where the item belongs in a process of its own."""
        return self._guarded(item, cheap=True)

    def prepare(self, item: VerifyItem) -> VerifyItem:
        """The item with its gold read as far as the response has no part in it; as it is where nothing can be read."""
        try:
            ready = self._ready(item, cheap=False)
            if isinstance(ready, _Ready):
                if ready.kind.prepare is not None:
                    ready.kind.prepare(ready.gold, item.options, ready.params)
                return replace(item, gold=ready.gold)
        except Exception:  # the verdict will say what is wrong
            return item
        return item

    def state(self, gold: Answer, verifier: str | None, params: Mapping[str, Any]) -> str:
        """The gold as a response would state it: the text of its answer span, or all sections of a composite.

        Raises `ValueError` where verifier or parameters do not fit the gold.
        """
        name, _, metric = (verifier or gold.kind).partition(":")
        if name not in self.kinds:
            raise GoldUnparseableError(f"there is no verifier {verifier!r}")
        settings = self._params(self.kinds[name], params, metric)
        if gold.kind != name:
            gold = self.parse_gold(name, gold.raw, (), settings)
        return self.kinds[name].state(gold, settings)

    def right_from(self, verifier: str, params: Mapping[str, Any] = NO_PARAMS) -> float:
        """The score from which an answer is right. Raises `ValueError` where there is no such verifier or metric."""
        name, _, metric = verifier.partition(":")
        if name not in self.kinds or (metric and metric not in self.kinds[name].metrics):
            raise GoldUnparseableError(f"there is no verifier {verifier!r}")
        return _threshold(self.kinds[name], self._params(self.kinds[name], params, metric))

    def _guarded(self, item: VerifyItem, cheap: bool) -> Verdict | None:  # noqa: PLR0911
        """A verdict is owed for every row, whatever a model wrote and whatever a row holds."""
        try:
            ready = self._ready(item, cheap)
        except GoldUnparseableError as error:
            return unscored(f"{CANNOT_USE}{error}")
        except Exception as error:
            return unscored(f"{CANNOT_USE}{type(error).__name__}: {str(error)[:200]}")
        if not isinstance(ready, _Ready):
            return ready
        try:
            return _verdict(ready, item, cheap)
        except (GoldUnparseableError, MissingDependencyError) as error:
            return unscored(f"{type(error).__name__}: {str(error)[:200]}")
        except Exception as error:
            about = f"{type(error).__name__}: {str(error)[:200]}"
            if not _states_itself(ready, item, cheap):
                return unscored(about)
            return Verdict(0.0, False, None, f"no answer that can be read: {about}", "rule", ready.shown)

    def _ready(self, item: VerifyItem, cheap: bool) -> "_Ready | Verdict | None":
        """All that a response is held to. A verdict where nothing can be, None where even that is not cheap."""
        name, _, metric = (item.verifier or item.gold.kind).partition(":")
        kind = self.kinds.get(name)
        if kind is None or (metric and metric not in kind.metrics):
            return unscored(f"there is no verifier {item.verifier!r}")
        if item.tags not in TAG_SCHEMAS:
            return unscored(f"there is no tag schema {item.tags!r}")
        params = self._params(kind, item.params, metric)
        gold = item.gold
        if gold.kind != name:
            if cheap and kind.settle is not None:
                return None  # even reading such a gold can take its time
            gold = self.parse_gold(name, gold.raw, item.options, params)
        return _Ready(kind, params, gold, kind.show(gold))

    def _params(self, kind: Kind, given: Mapping[str, Any], metric: str) -> Params:
        if not given and not metric:
            if kind.name not in self._defaults:
                self._defaults[kind.name] = kind.params()
            return self._defaults[kind.name]
        return self.read_params(kind.name, {**given, "metric": metric} if metric else given)


def is_right(score: float, threshold: float) -> bool:
    """Whether a score reaches the one from which an answer is right, but for what rounding takes away."""
    return score >= threshold - TOLERANCE


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a response is held to."""

    kind: Kind
    params: Params
    gold: Any
    shown: str


def _verdict(ready: _Ready, item: VerifyItem, cheap: bool) -> Verdict | None:  # noqa: PLR0911
    """Measured, cut, measured again, and only then read."""
    kind, gold, shown = ready.kind, ready.gold, ready.shown
    if len(item.response) > LONGEST_RESPONSE:
        return Verdict(0.0, False, None, f"{len(item.response)} characters are no response", "rule", shown)
    span = item.response if kind.whole else answer_span(item.response, item.tags)
    if span is None:
        return Verdict(0.0, False, None, "the response holds no answer", "rule", shown)
    if len(span) > kind.longest:
        return Verdict(0.0, False, span[:SHOWN], f"{len(span)} characters are no {kind.name}", "rule", shown)
    near = len(span) <= CHEAP_CHARS + 4 * len(gold.raw)  # a longer one is not folded for nothing
    if kind.string_tier and near and bare(span) == bare(gold.raw):
        return Verdict(1.0, True, span, "the gold's own words", "string", shown, shown)
    outcome = _judge(ready, span, item, cheap)
    if outcome is None:
        return None
    if outcome.score is None:
        return Verdict(None, None, span, outcome.explanation, outcome.tier, shown, outcome.parsed)
    score = min(1.0, max(0.0, outcome.score))
    correct = is_right(score, _threshold(kind, ready.params))
    return Verdict(score, correct, span, outcome.explanation, outcome.tier, shown, outcome.parsed)


def _judge(ready: _Ready, span: str, item: VerifyItem, cheap: bool) -> Outcome | None:
    kind, gold, params = ready.kind, ready.gold, ready.params
    if not cheap:
        return kind.judge(span, gold, item.options, params)
    if kind.settle is not None:
        return kind.settle(span, gold, item.options, params)
    return kind.judge(span, gold, item.options, params) if len(span) <= CHEAP_CHARS else None


def _states_itself(ready: _Ready, item: VerifyItem, cheap: bool) -> bool:
    """Whether the gold's own statement is judged without an error: then an error is the response's fault, else the row's."""
    try:
        _judge(ready, ready.kind.state(ready.gold, ready.params), item, cheap)
    except Exception:
        return False
    return True


def _threshold(kind: Kind, params: Params) -> float:
    return params.threshold if params.threshold is not None else kind.metrics[params.metric].threshold

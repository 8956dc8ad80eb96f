"""Stretches of time: how much of either is in both."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field

from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.literal import NotLiteralError, read_literal, unfenced
from filters.verify.normalise import unprefixed
from filters.verify.places import first, left, numbers
from schemas.answer import SpansAnswer

Spans = list[tuple[float, float]]
MOST = 200
_CLOCK = r"(?:(?:\d{1,2}:)?\d{1,2}:\d{2}(?:\.\d{1,6})?|\d{1,6}(?:\.\d{1,6})?)"
_PAIR = re.compile(
    rf"(?<![\d.:])({_CLOCK})\s*(?:s|secs?|seconds?|秒|초|Sekunden|secondes?|segundos?|secondi|секунд[аыу]?)?\s*(?:-|~|to|until"
    rf"|and|,|到|至|から|부터|à|bis|a|al?|до)\s*({_CLOCK})(?![\d.:]|[eE][-+\d])"
)


class SpansParams(Params):
    """How spans are compared."""

    metric: Literal["iou", "time_r1"] = "iou"
    duration: float | None = Field(default=None, gt=0, description="seconds of the whole video; time_r1 needs it")


def read_spans(text: str) -> Spans | None:
    """Spans in seconds, each with start < end; None when there is none or one is no span."""
    text = unfenced(unprefixed(text))
    try:
        found = _of(read_literal(text), 0)
    except NotLiteralError:
        pairs = [match.groups() for match in left(text, _PAIR)]
        found = [(_seconds(a), _seconds(b)) for a, b in pairs] or None
    if found is None or len(found) > MOST or any(not 0 <= start < end for start, end in found):
        return None
    return found


def _of(value: Any, depth: int) -> Spans | None:
    if depth > 3 or not value:
        return None
    if isinstance(value, dict):
        ends = [first(value, ("start_time", "start", "begin", "s")), first(value, ("end_time", "end", "stop", "e"))]
        inner = first(value, ("time", "times", "timestamps", "timestamp", "span", "spans", "glue", "answer"))
        return _of(ends, depth + 1) if None not in ends else _of(inner, depth + 1)
    if not isinstance(value, list):
        return None
    pair = numbers([_seconds(v) if isinstance(v, str) else v for v in value], 2)
    if pair is not None:
        return [(pair[0], pair[1])]
    parts = [_of(item, depth + 1) for item in value]
    return None if any(p is None for p in parts) else [span for p in parts if p for span in p]


def _seconds(text: str) -> float:
    total = 0.0
    try:
        for part in text.strip().rstrip("s").split(":"):
            total = total * 60 + float(part)
    except ValueError:
        return -1.0
    return total


def span_iou(a: Spans, b: Spans) -> float:
    """Length of the intersection of two unions of spans over the length of their union."""
    edges = sorted({edge for span in (*a, *b) for edge in span})
    both = either = 0.0
    for start, end in pairwise(edges):
        inside = [any(s <= start and e >= end for s, e in spans) for spans in (a, b)]
        both += (end - start) * all(inside)
        either += (end - start) * any(inside)
    return both / either if either else 0.0


def read_gold(raw: str, options: Sequence[str], params: SpansParams) -> SpansAnswer:
    """At least one span."""
    spans = read_spans(raw)
    if spans is None:
        raise GoldUnparseableError(f"holds no span of time with start < end: {raw[:80]!r}")
    return SpansAnswer(raw=raw, spans=tuple(spans), duration=params.duration)


def judge(span: str, gold: SpansAnswer, options: Sequence[str], params: SpansParams) -> Outcome:
    """IoU of unions, for `time_r1` times how near the outer ends are."""
    spans = read_spans(span)
    if spans is None:
        return wrong("holds no span of time with start < end")
    score = span_iou(spans, list(gold.spans))
    about = f"overlap {score:.3f}"
    if params.metric == "time_r1":
        duration = params.duration or gold.duration
        if duration is None:
            return Outcome(None, "time_r1 needs the duration of the video", _show(spans))
        starts = abs(min(s for s, _ in spans) - min(s for s, _ in gold.spans))
        ends = abs(max(e for _, e in spans) - max(e for _, e in gold.spans))
        score *= max(0.0, 1 - starts / duration) * max(0.0, 1 - ends / duration)
    return Outcome(score, about, _show(spans))


def _show(spans: Sequence[tuple[float, float]]) -> str:
    return "; ".join(f"{s:g}-{e:g}" for s, e in spans[:20])


SPANS = Kind(
    name="spans",
    params=SpansParams,
    read_gold=read_gold,
    judge=judge,
    metrics={
        "iou": Metric("|∪p ∩ ∪g| / |∪p ∪ ∪g|, in seconds; a gap between spans belongs to neither", "VideoChat-R1", 0.5),
        "time_r1": Metric(
            "iou · (1 − |Δstart| / T) · (1 − |Δend| / T), with T the duration", "Time-R1, arXiv 2503.13377", 0.5
        ),
    },
    gold_forms=(
        '`[s, e]`, `[[s, e], …]`, `{"time": [s, e]}`, `{"start_time": s, "end_time": e}`, `3.5 - 9`, `00:03 to 00:09`'
    ),
    response_forms="the same, also in a sentence",
    show=lambda gold: _show(gold.spans),
    symmetric=True,
)

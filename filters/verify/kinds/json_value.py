"""JSON values, whatever their spelling."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Literal

from pydantic import Field

from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.literal import NotLiteralError, read_literal
from filters.verify.normalise import flat, words
from schemas.answer import JsonAnswer
from schemas.ids import canonical_json


class JsonParams(Params):
    """What is taken as the same."""

    metric: Literal["exact", "leaves"] = "exact"
    rel_tol: float = Field(default=1e-9, ge=0, description="numbers may differ by this share")
    list_order: bool = Field(default=True, description="lists are compared in order")
    loose_text: bool = Field(default=False, description="texts are compared without case and outer punctuation")


def read_gold(raw: str, options: Sequence[str], params: JsonParams) -> JsonAnswer:
    """JSON, or a Python literal of the same shape."""
    try:
        return JsonAnswer(raw=raw, value=read_literal(raw))
    except NotLiteralError as error:
        raise GoldUnparseableError(f"not JSON: {raw[:80]!r}") from error


def judge(span: str, gold: JsonAnswer, options: Sequence[str], params: JsonParams) -> Outcome:
    """Deep equality; keys have no order, 1 and 1.0 are one number, and true is not 1."""
    try:
        value = read_literal(span)
    except NotLiteralError:
        return wrong("not JSON")
    shown = canonical_json(value)[:300]
    if same(value, gold.value, params):
        return Outcome(1.0, "the same value", shown)
    if params.metric == "exact":
        return wrong("another value", shown)
    mine, theirs = Counter(_leaves(value, "", params)), Counter(_leaves(gold.value, "", params))
    both = sum((mine & theirs).values())
    score = 2 * both / (mine.total() + theirs.total()) if both else 0.0
    return Outcome(score, f"{both} of {theirs.total()} leaves", shown)


def same(a: Any, b: Any, params: JsonParams) -> bool:  # noqa: PLR0911
    """Deep equality under the parameters."""
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or _close(a, b, params.rel_tol)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key], params) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return False
        return all(same(x, y, params) for x, y in zip(*_aligned(a, b, params), strict=True))
    if isinstance(a, str) and isinstance(b, str):
        return (words(a) == words(b)) if params.loose_text else flat(a) == flat(b)
    return False


def _close(a: float, b: float, rel_tol: float) -> bool:
    try:
        return math.isclose(a, b, rel_tol=rel_tol)
    except OverflowError:  # a whole number beyond all floats
        return abs(Fraction(a) - Fraction(b)) <= Fraction(rel_tol) * max(abs(Fraction(a)), abs(Fraction(b)))


def _aligned(a: list[Any], b: list[Any], params: JsonParams) -> tuple[list[Any], list[Any]]:
    return (a, b) if params.list_order else (sorted(a, key=canonical_json), sorted(b, key=canonical_json))


def _leaves(value: Any, path: str, params: JsonParams) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}", params)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{at if params.list_order else ''}]", params)
    else:
        leaf = words(value) if isinstance(value, str) and params.loose_text else value
        whole = isinstance(leaf, int) and not isinstance(leaf, bool) and abs(leaf) < 1 << 1000
        yield path, canonical_json(float(leaf) if whole else leaf)


JSON = Kind(
    name="json",
    params=JsonParams,
    read_gold=read_gold,
    judge=judge,
    longest=1_000_000,
    metrics={
        "exact": Metric(
            "1 if the values are equal: keys without order, numbers within `rel_tol`", "SynLogic, zebra puzzle"
        ),
        "leaves": Metric("F1 of the bags of (path, leaf)", "field-level F1 of information extraction", 0.99),
    },
    gold_forms="JSON, Python literals",
    response_forms="the same, in a code fence or not",
    show=lambda gold: canonical_json(gold.value),
    symmetric=True,
)

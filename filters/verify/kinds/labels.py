"""Sets of labels: what is in both, over what is in either."""

import json
import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from filters.verify.clauses import after_wait, lined
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.lead_in import unled
from filters.verify.list_items import in_digits, without_bullets
from filters.verify.literal import unfenced
from filters.verify.normalise import words
from schemas.answer import SetAnswer
from schemas.connectives import AND, AND_CJK, any_of

_EMPTY = frozenset(("none", "[]", "{}", "empty", "empty set", "\\emptyset", "∅", "no labels"))
_SEPARATOR = re.compile(r"\s*(?:[,;\n]|\band\b)\s*")
_JOINED = re.compile(
    rf"\s*(?:[,;\n]|\band\b)\s*|(?<=[^\s,;]) ?(?:{AND_CJK})(?=[^\s,;]| \S) ?|(?<=[^\s,;]) (?:{any_of(AND)}) (?=[^\s,;])"
)


_DASHED = re.compile(r"^\s*-+(?=\s)|(?<=\s)-+\s*$|^\s*-+(?!\d)|(?<!-)-+\s*$")
"""Dashes around a label, but not the sign of a number."""
_COMMAS = re.compile(r"\s*[,;\n]\s*")


class SetParams(Params):
    """How sets are compared."""

    metric: Literal["exact", "jaccard", "f1"] = "exact"
    split_and: bool = Field(default=True, description='"and" parts labels, as commas do')
    vocabulary: tuple[str, ...] = Field(default=(), description="the only labels that a gold may hold; empty: any")


def read_labels(text: str, split_and: bool = True) -> frozenset[str] | None:
    """The labels of a list; the empty set only where the text says so. None for an empty text."""
    return _labels(text, _SEPARATOR if split_and else _COMMAS)


def _labels(text: str, pattern: re.Pattern[str]) -> frozenset[str] | None:
    text = unfenced(unled(lined(text)))
    if not text:
        return None
    if words(text) in _EMPTY or text in _EMPTY:
        return frozenset()
    if text[0] == "[" and text[-1] == "]":
        try:
            return frozenset(words(str(item)) for item in json.loads(text))
        except (ValueError, RecursionError, TypeError):
            pass
    labels = (words(_DASHED.sub("", part).strip("[]{}()\"' *")) for part in pattern.split(text))
    return frozenset(label for label in labels if label) or None


def read_gold(raw: str, options: Sequence[str], params: SetParams) -> SetAnswer:
    """A list of labels; "none" is the empty set."""
    labels = read_labels(raw, params.split_and)
    if labels is None:
        raise GoldUnparseableError("holds no label")
    strange = labels - {words(v) for v in params.vocabulary} if params.vocabulary else set()
    if strange:
        raise GoldUnparseableError(f"labels outside the vocabulary: {sorted(strange)[:5]}")
    return SetAnswer(raw=raw, labels=tuple(sorted(labels)))


def _same_numbers(labels: frozenset[str] | None, wanted: frozenset[str]) -> bool:
    """Whether two sets agree once numbers are written in digits (`three`, `3.0`)."""
    if labels is None or len(labels) != len(wanted):
        return False
    return {*in_digits(labels)} == {*in_digits(wanted)}


def judge(span: str, gold: SetAnswer, options: Sequence[str], params: SetParams) -> Outcome:
    """Both empty: 1. One of them empty: 0."""
    wanted = frozenset(words(label) for label in gold.labels)
    labels = read_labels(span, params.split_and)
    if labels != wanted and (_otherwise(span, params.split_and) == wanted or _same_numbers(labels, wanted)):
        labels = wanted
    if labels is None:
        return wrong("holds no label; an empty set has to be stated")
    shown = ", ".join(sorted(labels))[:200]
    if labels == wanted:
        return Outcome(1.0, "the same set", shown)
    both = len(labels & wanted)
    scores = {"exact": 0.0, "jaccard": both / len(labels | wanted), "f1": 2 * both / (len(labels) + len(wanted))}
    return Outcome(scores[params.metric], f"{both} of {len(wanted)} labels, {len(labels) - both} others", shown)


def _otherwise(text: str, split_and: bool) -> frozenset[str] | None:
    """The labels of a bulleted or numbered list, of one corrected at its end, or joined by "and" of another language.

    These marks may be part of a label as well, so they count only where they give the gold's labels.
    """
    text = without_bullets(lined(text))
    return _labels(after_wait(text), _JOINED if split_and else _COMMAS)


SET = Kind(
    name="set",
    params=SetParams,
    read_gold=read_gold,
    judge=judge,
    longest=100_000,
    metrics={
        "exact": Metric("1 if the sets are equal, else 0", "SynLogic, boolean_expressions and minesweeper"),
        "jaccard": Metric("|both| / |either|; both empty: 1", "Curr-ReFT, task `classify`", 0.5),
        "f1": Metric("2·|both| / (|p| + |g|); both empty: 1", "MiLDEdit, set F1", 0.5),
    },
    gold_forms='`a, b and c`, `["a", "b"]`; `none` or `[]` is the empty set',
    response_forms="the same, also as a bulleted list, `a、b`, `a 和 b`; an empty answer is no set",
    show=lambda gold: "{" + ", ".join(gold.labels) + "}",
    symmetric=True,
)

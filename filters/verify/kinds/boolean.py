"""Yes or no, true or false, and lists of them."""

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.normalise import unprefixed, words
from schemas.answer import BooleanAnswer

_TRUE = frozenset(["yes", "true", "correct", "right", "y", "t", "1", "是", "对", "正确", "supported"])
_FALSE = frozenset(["no", "false", "incorrect", "wrong", "n", "f", "0", "否", "错", "错误", "refuted"])
_TOKEN = re.compile(r"[\w']+")
_LEAD = re.compile(r"^(\w+)\s*[,.;:!]\s*(\S.*)$", re.DOTALL)
_SEPARATOR = re.compile(r"\s*(?:,|;|\n|\band\b)\s*")
_MAX_CHARS = 2000


class BooleanParams(Params):
    """How several truth values are scored."""

    metric: Literal["all", "share"] = "all"
    numeric: bool = Field(default=True, description="1 and 0 are read as true and false")


def read_values(text: str, numeric: bool = True) -> tuple[bool, ...] | None:
    """The truth values that make up `text`: one word, a list of words, or one word before a comma and its explanation.

    The opposite word in that explanation makes the answer ambiguous, and "yes or no" names both: None.
    """
    text = unprefixed(text).strip("[](){}")
    if len(text) > _MAX_CHARS:
        return None
    parts = [part for part in _SEPARATOR.split(text) if part]
    values = [_word(part, numeric) for part in parts]
    if values and all(v is not None for v in values):
        return tuple(v for v in values if v is not None)
    lead = _LEAD.match(text)
    value = _word(lead.group(1), numeric and False) if lead else None
    if lead is None or value is None:
        return None
    rest = {token.casefold() for token in _TOKEN.findall(lead.group(2))}
    return None if rest & ({"no", "false"} if value else {"yes", "true"}) else (value,)


def _word(text: str, numeric: bool) -> bool | None:
    text = words(text).strip("()[]\"'")
    if text.isdigit() and not numeric:
        return None
    return True if text in _TRUE else False if text in _FALSE else None


def read_gold(raw: str, options: Sequence[str], params: BooleanParams) -> BooleanAnswer:
    """One truth value or several."""
    values = read_values(raw, params.numeric)
    if not values:
        raise GoldUnparseableError(f"not a truth value: {raw[:80]!r}")
    return BooleanAnswer(raw=raw, values=values)


def judge(span: str, gold: BooleanAnswer, options: Sequence[str], params: BooleanParams) -> Outcome:
    """Compares place by place; the number of values must be the gold's."""
    values = read_values(span, params.numeric)
    if values is None:
        return wrong("not a clear yes or no")
    shown = _show(values)
    if len(values) != len(gold.values):
        return wrong(f"{len(values)} values instead of {len(gold.values)}", shown)
    right = sum(a == b for a, b in zip(values, gold.values, strict=True))
    score = right / len(values) if params.metric == "share" else float(right == len(values))
    return Outcome(score, f"{right} of {len(values)} agree", shown)


def _show(values: Sequence[bool]) -> str:
    return ",".join("yes" if v else "no" for v in values)


BOOLEAN = Kind(
    name="boolean",
    params=BooleanParams,
    read_gold=read_gold,
    judge=judge,
    longest=2_000,
    metrics={
        "all": Metric("1 if every value agrees, else 0", "SynLogic, MiniMax-AI/SynLogic games/tasks/web_of_lies"),
        "share": Metric("the share of values that agree", "partial credit for lists"),
    },
    gold_forms="`yes`/`no`, `true`/`false`, `correct`/`incorrect`, `1`/`0`, and lists of them",
    response_forms=(
        'the same as the whole answer, or one before a comma or full stop ("Yes, it is."), unless its opposite follows'
    ),
    show=lambda gold: _show(gold.values),
    symmetric=True,
)

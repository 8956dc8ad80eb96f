"""Orders: the same items, and how many of them are in the right place."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from pydantic import Field

from filters.verify.clauses import after_wait, lined
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.lead_in import unled
from filters.verify.list_items import in_digits, without_bullets
from filters.verify.literal import NotLiteralError, read_literal
from filters.verify.normalise import words
from schemas.answer import OrderAnswer

MOST = 400
_SEPARATOR = re.compile(r"\s*(?:->|→|=>|>|<|,|;|\n)\s*")


_THEN = re.compile(
    r"\s*(?:->|→|=>|>|<|,|;|\n)?\s*(?:\b(?:and then|then|followed by|and finally|finally|next|and)\b,?|然后是?"
    r"|接着是?|最后是?|再)\s*"
    r"|\s*(?:->|→|=>|>|<|,|;|\n)\s*"
)
_FIRST = re.compile(r"^(?:(?:first|firstly)\b,?|首先是?|先)\s*", re.IGNORECASE)


class OrderParams(Params):
    """How a partly right order is scored."""

    metric: Literal["exact", "position", "kendall", "prefix"] = "exact"
    permutation: bool = Field(
        default=True, description="a response that does not hold exactly the gold's items scores 0"
    )


def read_items(text: str) -> tuple[str, ...] | None:
    """The items of a list, an arrow chain, or of words and numbers separated by blanks."""
    return _items(unled(lined(text)), _SEPARATOR)


def _items(text: str, separator: re.Pattern[str]) -> tuple[str, ...] | None:
    try:
        value = read_literal(text)
    except NotLiteralError:
        value = None
    if isinstance(value, list):
        parts = [str(item) for item in value]
    else:
        text = text.strip("[](){}")
        parts = separator.split(text) if separator.search(text) else text.split()
    if len(parts) > 2 * MOST:
        return None
    items = tuple(item for part in parts if (item := words(part.strip("[]()\"'"))))
    return items if 0 < len(items) <= MOST else None


def read_gold(raw: str, options: Sequence[str], params: OrderParams) -> OrderAnswer:
    """At least one item."""
    items = read_items(raw)
    if items is None:
        raise GoldUnparseableError(f"holds no list of items: {raw[:80]!r}")
    return OrderAnswer(raw=raw, items=items)


def judge(span: str, gold: OrderAnswer, options: Sequence[str], params: OrderParams) -> Outcome:
    """Items are compared place by place, letter case aside."""
    items = read_items(span)
    if items is None:
        return wrong("holds no list of items")
    wanted = tuple(words(item) for item in gold.items)
    if items != wanted and (
        _otherwise(span) == wanted or (len(items) == len(wanted) and in_digits(items) == in_digits(wanted))
    ):
        items = wanted
    shown = " ".join(items)[:200]
    if items == wanted:
        return Outcome(1.0, "the same order", shown)
    if params.permutation and Counter(items) != Counter(wanted):
        return wrong(f"{len(items)} items that are not the gold's {len(wanted)}", shown)
    if params.metric == "exact":
        return wrong("another order", shown)
    return Outcome(_partial(items, wanted, params.metric), f"{params.metric} of {len(wanted)} items", shown)


def _otherwise(text: str) -> tuple[str, ...] | None:
    """The items of a numbered list, of one corrected at its end, or joined by "then".

    These may be part of an item as well, so they count only where they give the gold's items.
    """
    text = without_bullets(after_wait(lined(text)))
    return _items(_FIRST.sub("", unled(text)), _THEN)


def _partial(items: tuple[str, ...], wanted: tuple[str, ...], metric: str) -> float:
    same = [a == b for a, b in zip(items, wanted, strict=False)]
    if metric == "position":
        return sum(same) / max(len(items), len(wanted))
    if metric == "prefix":
        return (same.index(False) if False in same else len(same)) / max(len(items), len(wanted))
    place = {item: at for at, item in enumerate(wanted)}
    if len(place) != len(wanted) or Counter(items) != Counter(wanted):
        return 0.0
    pairs = list(combinations([place[item] for item in items], 2))
    return sum(a < b for a, b in pairs) / len(pairs)


ORDER = Kind(
    name="order",
    params=OrderParams,
    read_gold=read_gold,
    judge=judge,
    longest=100_000,
    metrics={
        "exact": Metric("1 if every item is where it should be", "SynLogic, word_sorting; Tarsier frame order"),
        "position": Metric("share of places with the right item", "Jigsaw-R1, utils/reward.py"),
        "kendall": Metric("share of pairs in the right order, (τ + 1) / 2", "Kendall 1938; items must be distinct"),
        "prefix": Metric("length of the right beginning over the number of items", "Tarsier, longest correct run"),
    },
    gold_forms='`3 1 2`, `c, a, b`, `["c", "a", "b"]`, `c -> a -> b`',
    response_forms=(
        'the same, also as a numbered list or with "then"; anything but a permutation of the gold\'s items scores 0 (unless'
        " `permutation` is off)"
    ),
    show=lambda gold: " ".join(gold.items),
    symmetric=True,
)

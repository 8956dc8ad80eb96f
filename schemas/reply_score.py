"""Which number a reply gives as a score between two bounds. Two different numbers, or one out of bounds, are none."""

import re
from collections.abc import Iterable

from schemas.reply import marked_answer

_NUMBER = r"(?<![\w.,])(?P<value>[-+−]?\d{1,12}(?:\.\d{1,17})?)(?![\d%\w]|[.,]\d)"
_OUT_OF = r"(?:\s{0,3}(?:/|out[ \t]{1,3}of)\s{0,3}(?P<most>\d{1,12}(?:\.\d{1,6})?)(?![\d%\w]|[.,]\d))?"
_NO_RANGE = r"(?!\s{0,3}(?:[-–—/,]|to\b|or\b|and\b)\s{0,3}[-+−]?\d)"
_SCORE = _NUMBER + _OUT_OF + _NO_RANGE
_AROUND = r"[\s*_`\"'()\[\]{}$#>.!]*"
_ALONE = re.compile(_AROUND + _SCORE + _AROUND)
_LABEL = re.compile(
    r"(?P<final>\b(?:final|overall|total)[ \t_]{1,3})?(?<![^\W_])(?:score|rating|grade|mark)\b"
    r"[ \t]{0,3}(?:\([^()\n]{0,40}\))?[*_`\"' \t]{0,6}(?P<colon>[:=])?[*_`\"'(\[ \t]{0,6}"
    r"(?:(?:is|of|would[ \t]be|should[ \t]be)\b[*_`\"': \t]{0,6})?" + _SCORE,
    re.IGNORECASE,
)
_WITH_MOST = re.compile(_SCORE, re.IGNORECASE)


def read_score(text: str, low: float, high: float) -> float | None:
    """The score of a reply, `low` to `high`: all it says ("7", "7/9"), in a marked answer, behind a label ("Final score: 7",
    then "Score: 7", then "a score of 7"), with the highest one ("7 out of 9"), or on a first or last line of its own.

    A score out of another highest one ("7/10" where 9 is the highest) is none.
    """
    marked = marked_answer(text)
    alone = _ALONE.fullmatch(marked.answer if marked else text)
    if alone or marked:
        return _one([alone] if alone else [], low, high)
    labels = list(_LABEL.finditer(text))
    with_most = [found for found in _WITH_MOST.finditer(text) if found["most"] is not None]
    lines = [line for line in text.splitlines() if line.strip()]
    for found in (
        [label for label in labels if label["final"]],
        [label for label in labels if label["colon"]],
        labels,
        with_most,
        [line for line in map(_ALONE.fullmatch, (*lines[:1], *lines[-1:])) if line],
    ):
        if found:
            return _one(found, low, high)
    return None


def _one(found: Iterable[re.Match[str]], low: float, high: float) -> float | None:
    values = {_value(match, low, high) for match in found}
    return next(iter(values)) if len(values) == 1 else None


def _value(match: re.Match[str], low: float, high: float) -> float | None:
    value = float(match["value"].replace("−", "-"))
    fits = low <= value <= high and (match["most"] is None or float(match["most"]) == high)
    return value if fits else None


def score_texts(low: float, high: float) -> tuple[str, ...] | None:
    """All scores between two bounds that are written as whole numbers; None where they are not, or for more than 101."""
    if not isinstance(low, int) or not isinstance(high, int) or high - low > 100:
        return None
    return tuple(map(str, range(low, high + 1)))


def score_pattern(low: float, high: float) -> str | None:
    """A regular expression of the scores between two bounds, with up to two decimals. None where the bounds are far apart,
    negative, or no whole numbers."""
    if low < 0 or high - low > 100 or low != int(low) or high != int(high):
        return None
    wholes = "|".join(map(str, range(int(low), int(high))))
    return rf"(?:(?:{wholes})(?:\.[0-9]{{1,2}})?|{int(high)}(?:\.0)?)"

r"""Golds that are words or names rather than formulas: `\text{no}`, `Yes`, `even`, `AB`, `\triangle ABC`.

A word is compared as a word at any length: its letters are no product. Names of points are compared letter by letter.
"""

import re

from filters.verify.normalise import flat, words
from filters.verify.numeral import read_numeral
from schemas.remembered import remembered

Verdict = tuple[bool, str]

_TEXT = re.compile(
    r"\s*\$?\s*\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|operatorname)"
    r"\s*\{\s*([^\W\d_][^{}\\$^=+*/<>_\d]{0,80}[^\W\d_])[\s.]*\}[\s.]*\$?[\s.]*"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z' -]{2,80}[A-Za-z]")
_CAPITALISED = re.compile(r"(?=.*[aeiouy])[A-Z][a-z]{1,2}")
_DIGIT = re.compile(r"\d")
_SHORT = frozenset(("no", "on", "up"))
_POINTS = re.compile(
    r"(?:\\(triangle|angle|overline|overrightarrow|widehat|overleftrightarrow|measuredangle)\s*)?\{?([A-Z]{2,6}'*)\}?"
)
_FONTS = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")


def compare_words(text: str, gold: str, raw: str) -> Verdict | None:
    """Whether a text is the word or the name that a gold is; None where the gold (`raw` as published) is neither."""
    if _DIGIT.search(raw):
        return None
    word = word_of(raw)
    if word is not None:
        same = words(_FONTS.sub(r"\1", text)) == words(word)
        if not same and (number := read_numeral(word)) is not None and not any(c.isdigit() for c in word):
            found = read_numeral(text)
            same = found is not None and (found.value, found.unit) == (number.value, number.unit)
        return same, "the same word" if same else "another word"
    points = _points(gold)
    if points is None:
        return None
    found_points = _points(text)
    if found_points is None:
        return None if points[0] is None or "\\overline" in gold else (False, "not the same name")
    same = points[1] == found_points[1] and (points[0] == found_points[0] or None in (points[0], found_points[0]))
    return same, "the same name" if same else "another name"


@remembered()
def word_of(raw: str) -> str | None:
    r"""The word or words that a gold is: in `\text{}` of any length, else where its letters are hardly a product."""
    match = _TEXT.fullmatch(raw)
    if match:
        return match.group(1)
    text = flat(raw).strip("$. ")
    if _WORD.fullmatch(text) or _CAPITALISED.fullmatch(text) or text in _SHORT:
        return text
    unsorted = len(text) == 3 and text.isalpha() and text.islower() and list(text) != sorted(text)
    return text if unsorted and set(text) & set("aeiou") and text not in _FUNCTIONS else None


_FUNCTIONS = frozenset(("cos", "sec", "cot", "tan", "sin", "exp", "log"))


def _points(text: str) -> tuple[str | None, str] | None:
    match = _POINTS.fullmatch(text.strip())
    return (match.group(1), match.group(2)) if match else None

"""Numbers in English words, with or without digits before them: `forty-two`, `2.5 million`, `one and a half`, `a dozen`."""

import re
from collections.abc import Sequence
from fractions import Fraction
from math import prod

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SMALL = {word: value for value, word in enumerate(_ONES)} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
SCALES = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "quadrillion": 10**15,
    "lakh": 10**5, "lac": 10**5, "crore": 10**7, "dozen": 12, "score": 20, "gross": 144,
    "hundreds": 100, "thousands": 10**3, "millions": 10**6, "billions": 10**9, "trillions": 10**12, "lakhs": 10**5,
    "crores": 10**7, "dozens": 12, "mn": 10**6, "bn": 10**9, "tn": 10**12, "mln": 10**6, "mio": 10**6, "bln": 10**9,
}  # fmt: skip
_OTHER_THINGS = frozenset(("score", "gross"))
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "fifteenth": 15, "sixteenth": 16, "twentieth": 20,
    "thirtieth": 30, "fiftieth": 50, "hundredth": 100, "thousandth": 1000, "millionth": 10**6,
}  # fmt: skip
PARTS = _PARTS | {word + "s": value for word, value in _PARTS.items() if word not in ("half", "halves")}
NUMBER_WORDS = frozenset((*SMALL, *SCALES, "half", "halves")) - {"score", "gross", "mn", "tn"}
ORDINALS = frozenset((*(w for w in _PARTS if w not in ("half", "halves", "quarter")), "first", "second"))
SUFFIXES = {"k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12, "bn": 10**9, "mn": 10**6, "tn": 10**12}
_ATTACHED = re.compile(r"(bn|mn|tn|[kKMBT])(?![\w/^°*])")
_AFTER_MONEY = re.compile(r" ?(bn|mn|tn|[kKMmBbT])(?![\w/^°*])")
_WORD = re.compile(r"[a-z]+")
_BETWEEN = re.compile(r" ?- ?| |, (?=[a-z])")

Read = tuple[Fraction, int]
"""A value and how many words it took."""


def words_of(text: str) -> list[tuple[str, int]]:
    """The words at the beginning of a text, each with the place behind it, up to the first that is no number's."""
    found: list[tuple[str, int]] = []
    at, text = 0, text.casefold()
    while (match := _WORD.match(text, at)) and _known(match.group()) and len(found) < 24:
        found.append((match.group(), match.end()))
        at = match.end()
        following = _BETWEEN.match(text, at)
        if following is None:
            break
        at = following.end()
    return found


def _known(word: str) -> bool:
    return word in SMALL or word in SCALES or word in PARTS or word in ("a", "an", "and", "point", "of")


def suffix_of(text: str, money: bool) -> tuple[int, int] | None:
    """What a suffix on digits multiplies by, and its length: `k`, and with capitals or money also M, B, T, bn, mn."""
    match = (_AFTER_MONEY if money else _ATTACHED).match(text)
    return (SUFFIXES[match.group(1).casefold()], match.end()) if match else None


def after_digits(value: Fraction, words: Sequence[str]) -> Read:
    """The value with the scale or parts that follow its digits: `2.5 million`, `3 hundred thousand`, `3 quarters`."""
    taken = _scales(words, 0)
    for word in words[:taken]:
        value *= SCALES[word]
    if taken == 0 and words and words[0] in PARTS and value.denominator == 1:
        return value / PARTS[words[0]], 1
    return _and_part(value, taken, words)


def read_words(words: Sequence[str]) -> Read | None:
    """The number that the words begin with; None where they begin with none."""
    if not words:
        return None
    if (part := _half(words) or _part(words)) is not None:
        return part
    value, taken, last = Fraction(0), 0, 10**18
    while last > 1:
        start = taken + (0 < taken < len(words) and words[taken] == "and")
        amount, length = _below_thousand(words[start:], first=not taken)
        if not length:
            break
        end = _scales(words, start + length, "hundred")
        scale = prod(SCALES[word] for word in words[start + length : end])
        if scale >= last:
            break
        value, taken, last = value + amount * scale, end, scale
    if not taken:
        return None
    if words[taken : taken + 1] == ["point"]:
        return _decimals(value, taken, words)
    return _and_part(value, taken, words)


def _scales(words: Sequence[str], at: int, *without: str) -> int:
    """Where the scale words that begin at a place end. "score" and "gross" are words for other things too."""
    while at < len(words) and words[at] in SCALES and words[at] not in _OTHER_THINGS and words[at] not in without:
        at += 1
    return at


def _below_thousand(words: Sequence[str], first: bool) -> tuple[int, int]:
    """`seven`, `forty two`, `twelve hundred`, `three hundred and five`; "a" before a scale is one."""
    if first and len(words) > 1 and words[0] in ("a", "an") and words[1] in SCALES and words[1] not in _OTHER_THINGS:
        value, taken = 1, 1
    else:
        value, taken = _below_hundred(words)
    if not taken or words[taken : taken + 1] != ["hundred"]:
        return value, taken
    more = taken + 1 + (words[taken + 1 : taken + 2] == ["and"])
    rest, length = _below_hundred(words[more:])
    return value * 100 + rest, more + length if length else taken + 1


def _below_hundred(words: Sequence[str]) -> tuple[int, int]:
    if not words or words[0] not in SMALL:
        return 0, 0
    value = SMALL[words[0]]
    if value >= 20 and len(words) > 1 and 0 < SMALL.get(words[1], 0) < 10:
        return value + SMALL[words[1]], 2
    return value, 1


def _half(words: Sequence[str]) -> Read | None:
    """`half`, `a half`, `half a million`, `half a dozen`, `one half`."""
    at = 1 if words[0] in ("a", "one") else 0
    if words[at : at + 1] != ["half"]:
        return None
    scale = words[at + 1 : at + 3]
    if at == 0 and len(scale) == 2 and scale[0] in ("a", "an") and scale[1] in SCALES:
        return Fraction(SCALES[scale[1]], 2), 3
    return Fraction(1, 2), at + 1


def _part(words: Sequence[str]) -> Read | None:
    """`a third`, `two thirds`, `three quarters`, `twenty-one hundredths`; a bare ordinal is none."""
    top, taken = (1, 1) if words[0] in ("a", "an") else _below_hundred(words)
    if not taken or words[taken : taken + 1] == [] or words[taken] not in PARTS:
        return None
    if top >= 20 and taken == 1 and not words[taken].endswith("s"):
        return None  # "twenty-first", "thirty fifth" are ordinals
    return Fraction(top, PARTS[words[taken]]), taken + 1


def _and_part(value: Fraction, taken: int, words: Sequence[str]) -> Read:
    """`… and a half`, `… and three quarters`, and a scale behind it (`two and a half million`)."""
    rest = words[taken + 1 :] if words[taken : taken + 1] == ["and"] else []
    part = (_half(rest) or _part(rest)) if rest else None
    if part is None or not 0 < part[0] < 1:
        return value, taken
    value, taken = value + part[0], taken + 1 + part[1]
    end = _scales(words, taken)
    return value * prod(SCALES[word] for word in words[taken:end]), end


def _decimals(value: Fraction, taken: int, words: Sequence[str]) -> Read:
    """`three point one four`, `two point five million`."""
    digits, at = "", taken + 1
    while at < len(words) and 0 <= SMALL.get(words[at], 10) < 10:
        digits, at = digits + str(SMALL[words[at]]), at + 1
    if not digits:
        return value, taken
    end = _scales(words, at)
    scale = prod(SCALES[word] for word in words[at:end])
    return (value + Fraction(int(digits), 10 ** len(digits))) * scale, end

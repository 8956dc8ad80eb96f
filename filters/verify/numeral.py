"""Reads one number out of a short text: signs, thousands, fractions, mixed numbers, powers of ten, percent, unit."""

import re
from dataclasses import dataclass
from fractions import Fraction

from filters.verify.normalise import unprefixed
from filters.verify.units import is_unit
from schemas.remembered import remembered

MAX_CHARS = 400
"""A numeral is short; whatever is longer is not read as one."""

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d*)?|\.\d+"
_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)\s*(?P<currency>[$€£¥]?)\s*(?P<sign2>-?)
    (?: (?P<whole>\d+)\s+(?P<mixed_top>\d+)\s*/\s*(?P<mixed_bottom>\d+)
      | (?P<top>{_DIGITS})\s*/\s*(?P<bottom>{_DIGITS})
      | (?P<decimal>{_DIGITS})(?:[eE](?P<exponent>[+-]?\d{{1,3}})|\s*(?:x|\*)\s*10\s*\^\s*(?P<power>[+-]?\d{{1,3}}))?
    )(?![\d/^.,]*\d)""",
    re.VERBOSE,
)
_LATEX = (
    (re.compile(r"\\(?:left|right|displaystyle|[,;:! ])|(?<!\\)~"), " "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\([%$])"), r"\1"),
    (re.compile(r"\\[dtc]?frac\s*\{\s*(-?[\d.,]+)\s*\}\s*\{\s*(-?[\d.,]+)\s*\}"), r" \1/\2"),
    (re.compile(r"\\[dtc]?frac\s*(\d)\s*(\d)(?!\d)"), r" \1/\2"),
    (re.compile(r"\\(?:times|cdot)"), "*"),
    (re.compile(r"\^\s*\{\s*([+-]?\d+)\s*\}"), r"^\1"),
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?|°|\\degree|\\degrees"), " degrees"),
    (re.compile(r"\\(?:text|mathrm|mbox|textrm|operatorname)\s*\{([^{}]*)\}"), r" \1"),
    (re.compile(r"×"), "*"),
)
_ABOUT = re.compile(r"^(?:about|approximately|approx\.?|around|roughly|exactly|only|≈|~|\\approx)\s*", re.IGNORECASE)
_PERCENT = re.compile(r"^\s*(?:%|percent\b|per cent\b|pct\b)\s*", re.IGNORECASE)
_SEVERAL = re.compile(r"\b(?:or|and|to|between|not|either|minus|plus|times)\b", re.IGNORECASE)
_WORD = re.compile(r"^[^\W\d_][^\W\d_'-]{2,30}$")
_SENTENCE = re.compile(
    r"^(?!.*\b(?:or|not|between)\b)(?=.*[A-Za-z]{2})[A-Za-z\s,.;:'\"()%$°?-]*$", re.IGNORECASE | re.DOTALL
)
_FUNCTIONS = frozenset(["sqrt", "sin", "cos", "tan", "log", "exp", "cot", "sec", "csc", "inf", "infinity"])
_WORDS = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}


@dataclass(frozen=True, slots=True)
class Numeral:
    """`value` as written (50 % is 50), its unit, and whether it had a percent sign or decimals."""

    value: Fraction
    unit: str | None = None
    percent: bool = False
    decimal: bool = False


@remembered()
def read_numeral(text: str) -> Numeral | None:
    """The number that is the whole of `text`, unit and lead-in words aside; None when it is not exactly one number."""
    if len(text) > MAX_CHARS:
        return None
    plain = _ABOUT.sub("", _plain(unprefixed(text)))
    if "=" in plain:
        left, _, plain = plain.rpartition("=")
        if _SEVERAL.search(left) or left.count("=") or "," in left or ";" in left:
            return None
        plain = _ABOUT.sub("", plain.strip())
    match = _NUMBER.match(plain)
    return _word(plain) if match is None else _finish(match, plain[match.end() :])


@remembered()
def only_numeral(text: str) -> Numeral | None:
    """The number in a sentence that holds exactly one ("There are 3 cars."); None when there are several, or none."""
    numeral = read_numeral(text)
    if numeral is not None or len(text) > MAX_CHARS:
        return numeral
    plain = re.sub(r"(?<=\d)\.(?=\s|$)", "", _plain(unprefixed(text)))
    found = [m for m in _NUMBER.finditer(plain) if _stands_alone(plain, m)]
    values = {n.value: n for m in found if (n := _value(m)) is not None}
    if len(values) != 1 or not _SENTENCE.match(_NUMBER.sub(" ", plain)):
        return None
    number = next(iter(values.values()))
    percent = _PERCENT.match(plain[found[0].end() :])
    return Numeral(number.value, number.unit, bool(percent), number.decimal)


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    start = match.end() - len(match.group().lstrip())
    before = text[start - 1 : start] or " "
    after = text[match.end() : match.end() + 1] or " "
    return not (before.isalnum() or before in "_^.,([{") and not (after.isalnum() or after in "_^)]}")


def _plain(text: str) -> str:
    if "\\" in text or "{" in text or "°" in text or "×" in text or "~" in text or "^" in text:
        for pattern, by in _LATEX:
            text = pattern.sub(by, text)
    return text.strip()


def _finish(match: re.Match[str], rest: str) -> Numeral | None:
    number = _value(match)
    if number is None:
        return None
    percent = _PERCENT.match(rest)
    rest = (rest[percent.end() :] if percent else rest).strip().rstrip(".")
    if not rest:
        return Numeral(number.value, number.unit, bool(percent), number.decimal)
    if percent or _SEVERAL.search(rest) or not (is_unit(rest) or (match.string[match.end()] == " " and _noun(rest))):
        return None
    return Numeral(number.value, rest, False, number.decimal)


def _noun(text: str) -> bool:
    """Words that say what was counted ("red apples"), as against letters that are multiplied ("ab")."""
    parts = text.split()
    return len(parts) <= 4 and all(_WORD.match(part) and part.casefold() not in _FUNCTIONS for part in parts)


def _value(match: re.Match[str]) -> Numeral | None:
    parts = match.groupdict()
    try:
        if parts["whole"]:
            value = int(parts["whole"]) + Fraction(int(parts["mixed_top"]), int(parts["mixed_bottom"]))
        elif parts["top"]:
            value = _decimal(parts["top"]) / _decimal(parts["bottom"])
        else:
            power = int(parts["exponent"] or parts["power"] or 0)
            value = _decimal(parts["decimal"]) * Fraction(10) ** power
    except ZeroDivisionError:
        return None
    negative = (parts["sign"] == "-") != (parts["sign2"] == "-")
    written = parts["decimal"] or ""
    return Numeral(-value if negative else value, parts["currency"] or None, False, "." in written)


def _decimal(digits: str) -> Fraction:
    return Fraction(digits.replace(",", "").rstrip(".") or "0")


def _word(text: str) -> Numeral | None:
    first, _, rest = text.casefold().partition(" ")
    if first not in _WORDS or len(rest.split()) > 3 or _SEVERAL.search(rest) or any(w in _WORDS for w in rest.split()):
        return None
    return Numeral(Fraction(_WORDS[first]), rest or None) if not re.search(r"[\d,;=]", rest) else None

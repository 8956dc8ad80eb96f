"""Short answers to a multiple choice, which are nothing but letters or the options' own words."""

import re

from filters.verify.figures import Numeral
from filters.verify.lead_in import denies
from filters.verify.normalise import flat, unprefixed, words
from filters.verify.numeral import read_numeral
from filters.verify.units import convert
from schemas.connectives import AND, AND_CJK, whole_words
from schemas.remembered import remembered

_ALONE = re.compile(
    r"(?:option|choice|answer|letter|选项|選項|選択肢)?\s*[(\[{]?\$?(\w)\$?[)\]}]?\s*[.):]?\$?", re.IGNORECASE
)
_WITH_TEXT = re.compile(r"[(\[]?(\w)(?:[)\]][.:]?\s*|[.:,]\s*|\s+-\s+|\s+(?=[(\[])|\s+)(\S.*)", re.DOTALL)
_PARTS = re.compile(rf"\s*(?:[,;/&]|{whole_words(AND)}|{AND_CJK}|\s)\s*")
_WORDED = re.compile(r"\s*(?:[,;]|\band\b|[和与])\s*")
_PACKED = re.compile(r"[A-Z]{2,10}")
_VALUE = re.compile(r"[A-Za-z] ?= ?(\S.{0,60})")
_LONGEST_NUMBER = 60
_BRACKETED = (("[", "]"), ("(", ")"), ("{", "}"))


def whole(text: str, options: tuple[str, ...], allowed: str) -> tuple[str, ...] | None:
    """The letters that a text (without lead-in and markup) consists of; None where it holds anything else.

    Forms: a letter, letters, an option's words, several options' words, a letter before its own option's words.
    """
    if one := _one(text, options, allowed):
        return (one,)
    return _letters(text, allowed) or _texts(text, options, allowed)


_MARKED = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")


def in_lines(text: str, options: tuple[str, ...], allowed: str) -> tuple[str, ...] | None:
    """The options of a list, one on each line with a mark or without; None where a line holds anything else."""
    if text.count("\n") > 4 * len(allowed):
        return None
    lines = [_MARKED.sub("", line) for line in text.splitlines() if line.strip()]
    found = [_one(unprefixed(line), options, allowed) for line in lines]
    if len(lines) > 2 and found[0] is None and lines[0].rstrip(" *").endswith((":", "：")) and not denies(lines[0]):
        found = found[1:]
    return tuple(x for x in found if x) if len(found) > 1 and all(found) else None


def _one(text: str, options: tuple[str, ...], allowed: str) -> str | None:
    match = _ALONE.fullmatch(text)
    if match and (found := _as_offered(match.group(1), allowed)):
        return found
    if found := by_text(text, options, allowed):
        return found
    if options and (match := _WITH_TEXT.fullmatch(text)) and (letter := _as_offered(match.group(1), allowed)):
        rest = match.group(2)
        other = by_text(rest, options, allowed) or by_text(rest.strip("()[] "), options, allowed)
        return other if other == letter else None
    if options and (match := _VALUE.fullmatch(text)):
        return by_text(match.group(1), options, allowed)
    return None


def _as_offered(letter: str, allowed: str) -> str | None:
    return next((x for x in (letter, letter.upper(), letter.lower()) if x in allowed), None)


@remembered(size=lambda options: sum(map(len, options), len(options)))
def _spellings(options: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The options as they are, under `words`, and without any blanks."""
    folded = tuple(words(option) for option in options)
    return tuple(flat(option) for option in options), folded, tuple(option.replace(" ", "") for option in folded)


def by_text(text: str, options: tuple[str, ...], allowed: str) -> str | None:
    """The one option with these words; spellings are tried from the strictest on."""
    if not options or not text:
        return None
    folded = words(text)
    for wanted, spelled in zip((text, folded, folded.replace(" ", "")), _spellings(options), strict=True):
        matches = [allowed[i] for i, option in enumerate(spelled) if option and option == wanted]
        if matches:
            return matches[0] if len(matches) == 1 else None
    return _by_number(text, options, allowed)


def _by_number(text: str, options: tuple[str, ...], allowed: str) -> str | None:
    """The one option that is this number in another spelling or unit (`30^\\circ` for `30°`); all options are numbers."""
    if len(text) > _LONGEST_NUMBER or (numeral := read_numeral(text)) is None:
        return None
    offered = [read_numeral(option) for option in options]
    if None in offered:
        return None
    found = [letter for letter, other in zip(allowed, offered, strict=False) if other and _same(numeral, other)]
    return found[0] if len(found) == 1 else None


def _same(numeral: Numeral, other: Numeral) -> bool:
    return numeral.percent == other.percent and convert(numeral.value, numeral.unit, other.unit) == other.value


def _letters(text: str, allowed: str) -> tuple[str, ...] | None:
    for left, right in _BRACKETED:
        if text.startswith(left) and text.endswith(right) and len(text) > 4:
            text = text[1:-1].strip()
    if _PACKED.fullmatch(text):
        return packed(text, allowed)
    parts = _PARTS.split(text) if len(text) <= 10 * len(allowed) else []
    found = tuple(part.strip("()[]\"'$") for part in parts if part)
    return found if len(found) > 1 and all(len(x) == 1 and x in allowed for x in found) else None


def packed(text: str, allowed: str) -> tuple[str, ...] | None:
    """The letters of a text that is nothing but different letters of options ("AC"), two at least; else None."""
    return tuple(text) if _PACKED.fullmatch(text) and len({*text}) == len(text) and {*text} <= {*allowed} else None


def _texts(text: str, options: tuple[str, ...], allowed: str) -> tuple[str, ...] | None:
    parts = [part for part in _WORDED.split(text) if part] if options else []
    if not 2 <= len(parts) <= len(options):
        return None
    found = tuple(_one(part, options, allowed) for part in parts)
    return tuple(x for x in found if x) if all(found) else None

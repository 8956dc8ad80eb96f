"""What follows a number in a sentence: the noun that was counted, and the rest, which may hold no other number."""

import re
from fractions import Fraction

from filters.verify.figures import NUMBER, Numeral, value_in
from filters.verify.number_sentence import begins_behind, disowns
from filters.verify.number_words import NUMBER_WORDS, read_words, words_of

_MARK = re.compile(r"[.,;:()!?\"\n|=<>+]|\s-\s")
_PIECE = re.compile(r"\S+")
_ASIDE = re.compile(r"\(([^()]*+)\)\W{0,4}$")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_MOST_PARTS = 20
_DEFINITE = ("the ", "these ", "those ", "all ", "its ", "his ", "her ", "their ")
_WORD = re.compile(r"[^\W\d_][^\W\d_'-]*")


def noun_and_tail(rest: str) -> tuple[str, str]:
    """What was counted, up to a mark or to a word that begins something else, and what follows."""
    at = 0
    if (mark := _MARK.search(rest)) is not None:
        rest, behind = rest[: mark.start()], rest[mark.start() :]
    else:
        behind = ""
    for match in _PIECE.finditer(rest):
        if begins_behind(match.group().casefold()):
            return rest[: match.start()].strip(), rest[match.start() :] + behind
        at = match.end()
    return rest[:at].strip(), behind


def same_number(tail: str, numeral: Numeral) -> bool:
    """Whether a tail holds no other number than the one that was read."""
    numbers = (value_in(m, "auto") for m in NUMBER.finditer(tail))
    if any(n is None or n.value != numeral.value for n in numbers):
        return False
    for match in _WORD.finditer(tail):
        definite = tail[: match.start()].casefold().endswith(_DEFINITE)  # "that meet the three conditions"
        if match.group().casefold() in NUMBER_WORDS - {"one"} and not definite:
            words = words_of(tail[match.start() :])
            read = read_words([word for word, _ in words])
            if read is None or read[0] != numeral.value:
                return False
    return True


def parts_behind(text: str) -> tuple[str, Fraction] | None:
    """What is in front of a bracket at the end that lists parts, and their sum: "6 (three on the left, 3 on the right)"."""
    aside = _ASIDE.search(text)
    if aside is None or not _LETTERS.search(inside := aside.group(1)) or disowns(inside):
        return None
    parts = [n.value for m in NUMBER.finditer(inside) if (n := value_in(m, "auto")) is not None]
    words = (m.group().casefold() for m in _WORD.finditer(inside))
    parts += [read[0] for word in words if word in NUMBER_WORDS and (read := read_words([word])) is not None]
    return (text[: aside.start()].strip(), sum(parts, Fraction())) if 2 <= len(parts) <= _MOST_PARTS else None

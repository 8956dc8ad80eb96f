"""What follows a number in a sentence: the noun that was counted, and the rest, which may hold no other number."""

import re

from filters.verify.figures import NUMBER, Numeral, value_in
from filters.verify.number_sentence import begins_behind
from filters.verify.number_words import NUMBER_WORDS, read_words, words_of

_MARK = re.compile(r"[.,;:()!?\"\n|=<>+]|\s-\s")
_PIECE = re.compile(r"\S+")
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

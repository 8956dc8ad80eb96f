"""What may surround the one number of a sentence so that the sentence states it. Anything else states no number.

Before the number: nothing, or words that end in a verb that states (`There are`, `The total is`, `x =`, `Answer:`), an
adverb between the two aside. Behind it: its unit or what was counted, and words that take nothing back. Negations, doubts
and alternatives (`lead_in`), bounds, conditions and operators in words are no answer wherever they are.
"""

import re

from filters.verify.lead_in import denies, doubts, offers_several, takes_back
from filters.verify.sentence_words import (
    ADVERBS,
    AMOUNTS,
    ARTICLES,
    BOUNDS,
    DISOWNED,
    HARMLESS_AFTER,
    HEADINGS,
    NO_NOUNS,
    NOUNS_TOO,
    OF_A_SUBJECT,
    OF_ANOTHER,
    OPENS_TAIL,
    OPERATIONS,
    VERBS,
    VERBS_WITH_BY,
    VERBS_WITH_TO,
)

_MARKS = "\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f"
_TOKEN = re.compile(rf"(?:[^\W\d_][{_MARKS}]*)+(?:['-](?:[^\W\d_][{_MARKS}]*)+)*|\d+|[^\w\s]|_")
MOST_WORDS = 60
_MOST_BEHIND = 150
"""Words of a lead, and of what follows a number: a line or two of talk."""
_NEAR, _FAR = 40, 400
"""Characters next to a formula in which words bound it, and in which they deny it."""

_HARMLESS = re.compile(r"\b(?:and|with) no\b|\bwithout\b", re.IGNORECASE)
_ARITHMETIC = re.compile(r"^[^<>!≠≤≥~]*$")
_IN_IMAGE = re.compile(
    r"^\s*(?:(?:на|в)\s+(?:этом\s+|этой\s+|данном\s+)?(?:изображении|картинке|рисунке|фото|фотографии|снимке|кадре|сцене|"
    r"графике|диаграмме|таблице)|(?:في|على)\s+(?:هذه\s+)?(?:الصورة|الشكل|الرسم|المشهد|الجدول))\s*$",
    re.IGNORECASE,
)
"""Russian and Arabic need no verb: "in the image 6 chairs"."""
_ELIDED = ("nell'", "sull'", "dell'", "all'")
_LIST_COMMA = re.compile(r"[;]|,(?!\d{3}(?!\d))")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_RIGHT = re.compile(
    r"^(?:is|are|was|were)\s+(?:(?:the|my|our|your)\s+)?(?:final\s+|correct\s+|right\s+)?"
    r"(?:answer|result|solution|value|total|sum|count|correct|right|visible|shown|present|there|left|remaining|needed|required"
    r"|in\b|on\b|at\b|parked|depicted|pictured)",
    re.IGNORECASE,
)


def tokens_of(text: str) -> list[str]:
    """Words, digits and marks, case folded."""
    return _TOKEN.findall(text.casefold().replace("’", "'"))


def states(lead: str) -> bool:
    """Whether a text in front of a number states it: it is empty, or ends in a verb that does, and takes nothing back."""
    tokens = tokens_of(lead)
    if len(tokens) > MOST_WORDS or disowns(lead, OF_A_SUBJECT):
        return False
    end = _before_adverbs(tokens)
    if end == 0 or _IN_IMAGE.match(lead):
        return True
    last = tokens[end - 1]
    if last == ":":
        return not HEADINGS & set(tokens[:end])
    if last == "=":
        return end < 2 or tokens[end - 2] not in "<>!≠≤≥~"
    return last in VERBS or _with_particle(tokens[max(end - 3, 0) : end])


def ends_in_verb(tokens: list[str]) -> int:
    """The place of the verb that states what follows these words (adverbs aside), as its number of words; 0 for none.

    A colon or an arrow is no verb here: `10:5` is a ratio.
    """
    end = _before_adverbs(tokens)
    if not end:
        return 0
    if tokens[end - 1] in VERBS - NOUNS_TOO:
        return end - 1
    return max(end - 2, 0) if end > 2 and _with_particle(tokens[max(end - 3, 0) : end]) else 0


def verbs_of(tokens: list[str]) -> bool:
    """Whether words hold a verb that states."""
    return not (VERBS - NOUNS_TOO).isdisjoint(tokens)


def _with_particle(tokens: list[str]) -> bool:
    """Whether words end in a verb with its particle: `comes to`, `adds up to`, `increases by`, `il y a`."""
    *before, last = tokens
    if last == "to":
        return bool(before) and (before[-1] in VERBS_WITH_TO or (before[-1] == "up" and before[0] in VERBS_WITH_TO))
    return bool(before) and (
        (last == "by" and before[-1] in VERBS_WITH_BY)
        or (last == "a" and before[-1] in ("y", "il", "elle", "on"))
        or (last == "de" and before[-1] in ("est", "était"))
    )


def _before_adverbs(tokens: list[str]) -> int:
    """Where a lead ends, without adverbs and without "a total of"."""
    end = len(tokens)
    while end:
        article = tokens[end - 1] in ARTICLES and end < len(tokens) and tokens[end] in ADVERBS - {"déjà", "encore"}
        if article or tokens[end - 1] in ADVERBS:
            end -= 1
        elif (
            tokens[end - 1] == "of"
            and end > 1
            and tokens[end - 2] in AMOUNTS
            and (end == 2 or tokens[end - 3] in ARTICLES)
        ):
            end = max(end - 3, 0)
        else:
            break
    return end


def disowns(text: str, harmless: frozenset[str] = frozenset()) -> bool:
    """Whether words deny, hedge, offer another, bound, condition, or name an operation."""
    tokens = tokens_of(text)
    if _has_bound(tokens) or not DISOWNED.isdisjoint(set(tokens) - harmless):
        return True
    return denies(text) or doubts(text) or offers_several(text) or takes_back(text)


_CLAUSE_END = re.compile(r"[.!?;:,\n。；！？，、：]")
_SHORT_OF = re.compile(r"(?<![a-z])(?:than|except|all but|nearly|almost)\s*$", re.IGNORECASE)
_DOES_SOMETHING = re.compile(
    rf"(?<![a-z])(?:between|below|above|under|over|(?:{'|'.join(sorted(OPERATIONS | OF_ANOTHER))})(?: of)?)\s*$",
    re.IGNORECASE,
)


def bounds(before: str) -> bool:
    """Whether words right in front of a number or a formula only bound it: "at most", "more than", "nearly"."""
    return _has_bound(tokens_of(before)[-3:]) or _SHORT_OF.search(before) is not None


def takes_away(before: str, behind: str) -> bool:
    """Whether words around a formula deny or doubt it, bound it, or do something to it, so that it is not the answer."""
    near = before[-_NEAR:]
    if bounds(near) or _DOES_SOMETHING.search(near):
        return True
    clauses = _CLAUSE_END.split(before[-_FAR:])[-1], _CLAUSE_END.split(behind[:_FAR])[0]
    return any(denies(words) or doubts(words) for words in clauses)


def _has_bound(tokens: list[str]) -> bool:
    """Whether "at most" or its like is there; "adds up to" is none."""
    pairs = zip(["", *tokens], tokens, tokens[1:], strict=False)
    return any(f"{a} {b}" in BOUNDS and before not in VERBS_WITH_TO for before, a, b in pairs)


def leaves_standing(tail: str) -> bool:
    """Whether what follows a number and its noun takes nothing back: no denial, no question, no operation."""
    tokens = tokens_of(tail)
    if len(tokens) > _MOST_BEHIND or not set("?!<>=+×÷±^~").isdisjoint(tokens):
        return False
    return not disowns(_HARMLESS.sub(" ", tail), HARMLESS_AFTER)  # "3 cars and no trucks"


def follows(tail: str, noun: str) -> bool:
    """Whether a text may begin right behind a number or its noun: a preposition, a relative, a mark, "is the answer"."""
    tokens = tokens_of(tail)
    if not tokens:
        return True
    first = tokens[0]
    if first in ("and", "to", "than") and (not noun or noun in ("more", "less", "fewer")):
        return False  # "5 and above", "5 to x", "5 more than x"
    if first == "and" and tokens[1:2] and tokens[1] in ("above", "up", "over", "below", "under", "counting"):
        return False
    if first in ("is", "are", "was", "were"):
        return bool(_RIGHT.match(tail.strip()))
    return begins_behind(first) or first in ".,;:(\"'`*$)|"


def is_noun(words: list[str]) -> bool:
    """Whether words name what was counted ("red apples"), as against letters that are multiplied, or an operation."""
    return (
        0 < len(words) <= 5
        and all(len(word) > 2 and word[0].isalpha() for word in words)
        and (words[0] not in NO_NOUNS or words[0] == "more")
        and (words[-1] not in NO_NOUNS or words == ["more"])
        and not disowns(" ".join(words))
    )


def begins_behind(word: str) -> bool:
    """Whether a word ends a noun: from here on it is what follows."""
    return word in OPENS_TAIL or word.startswith(_ELIDED)


def equates(left: str) -> bool:
    """Whether what is left of the last `=` lets its right side be the answer: a name, a sum, a chain of sums."""
    if not _ARITHMETIC.match(left[-2:]) or disowns(left):
        return False
    _, *more = left.split("=")
    if any(_LETTERS.search(part.replace("\\", "")) and re.search(r"[a-zA-Z]{4}", part) for part in more):
        return False
    return not _LIST_COMMA.search(left) and (not more or not re.search(r"\band\b", left))

"""What may surround the one number of a sentence so that the sentence states it. Anything else states no number.

Before the number: nothing, or words that end in a verb that states (`There are`, `The total is`, `x =`, `Answer:`), an
adverb between the two aside. Behind it: its unit or what was counted, and words that take nothing back. Negations, doubts
and alternatives (`lead_in`), bounds, conditions and operators in words are no answer wherever they are.
"""

import re

from filters.verify.lead_in import denies, doubts, offers_several, takes_back


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_MARKS = "\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f"
_TOKEN = re.compile(rf"(?:[^\W\d_][{_MARKS}]*)+(?:['-](?:[^\W\d_][{_MARKS}]*)+)*|\d+|[^\w\s]|_")
MOST_WORDS = 60
_MOST_BEHIND = 150
"""Words of a lead, and of what follows a number: a line or two of talk."""
_NEAR, _FAR = 40, 400
"""Characters next to a formula in which words bound it, and in which they deny it."""

_DISOWNED = _set(
    "nothing nobody unless if whether suppose supposing assume assuming assumed guessing guessed undetermined "
    "undefined doubt doubtful instead mistake unsolvable insufficient than before previously initially originally "
    "earlier refuse forgot ignore disregard anything everything something whatever any between sqrt root cube squared "
    "cubed factorial log ln sine cosine tangent times plus minus divided multiplied double twice triple weniger mehr "
    "falls wenn moins sauf si menos sin меньше больше если"
)
_OF_A_SUBJECT = frozenset(("between",))
"""Words that bound a number only where they are right in front of it: "the distance between A and B is 5"."""
_HARMLESS_AFTER = _set("than before any minus times plus sin si root double triple cube")
_HARMLESS = re.compile(r"\b(?:and|with) no\b|\bwithout\b", re.IGNORECASE)
_AT = frozenset(("at most", "at least", "up to", "as many", "as much", "no more", "no fewer", "not sure", "at best"))
_VERBS = _set(
    "is are was were be equals equal gives gave give yields yield has have had contains contain shows show holds hold "
    "costs cost weighs weigh measures measure takes take took needs need requires require see sees count counted "
    "counts get got gets make makes made leaves leave find found finds obtain obtained have read reads earns earned "
    "earn spent spends pays paid pay becomes reaches totals sold sells bought buys ate used uses saved collected "
    "received won remain remains there's it's that's say answer choose pick includes include included has covers "
    "worth result total sum scored scores drew drove walked ran traveled travelled lasts lasted comprises visited "
    "produced travels travel moves move runs walks walk drives flies covers saves holds fits seats weighs rises falls "
    "ist sind war waren gibt beträgt betragen ergibt hat haben kostet est sont était coûte vaut donne ont font fait aura "
    "es son hay era cuesta tiene tienen vale fue resulta é são há custa tem igual equivale resultado равно равен "
    "равна составляет будет это ответ есть имеет هو هي يساوي تساوي الجواب الإجابة है हैं उत्तर "
    "holding wearing carrying showing = : → ⇒ ≈ ➜ ∴"
)
_TO = _set(
    "equal equals add adds comes come amounts amount sum sums evaluates evaluate simplifies simplify rounds round "
    "works work reduces reduce equates corresponds rounded out égal égale igual"
)
_ADVERBS = _set(
    "about approximately approx around roughly exactly precisely only just simply now then therefore thus hence also "
    "indeed still actually overall ~ ≈ circa ca etwa ungefähr genau insgesamt environ exactement aproximadamente "
    "exactamente déjà encore donc всего примерно ровно worth number value integer currently already * $ ( \" ' ` positive"
)
_BY = _set("increases increased decreases decreased grew rose fell")
_AMOUNTS = _set(
    "total sum value length area width height volume speed price cost probability distance weight mass score count "
    "perimeter radius diameter temperature answer result rate population angle profit number"
)
_ARTICLES = frozenset(("a", "an", "the", "un", "une", "la", "le", "el", "der", "die", "das"))
_HEADINGS = _set("question step problem exercise part case option equation figure chapter page note attempt try")
_OPERATORS = _set(
    "squared cubed factorial over divided times plus minus multiplied more less fewer above below or and to max "
    "maximum minimum min tops up power root percentile modulo mod under upwards downwards"
)
_BEHIND = _set(
    "in on at of per for from with by each every which that who because since as so when where after among altogether "
    "total are is were was can there than to left remaining away apart total overall i.e. thus hence therefore and "
    "visible shown en de del dans par pro im auf für di в на से में and है है। हैं को"
)
_ARITHMETIC = re.compile(r"^[^<>!≠≤≥~]*$")
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
    if len(tokens) > MOST_WORDS or disowns(lead, _OF_A_SUBJECT):
        return False
    end = _before_adverbs(tokens)
    if end == 0:
        return True
    last = tokens[end - 1]
    if last == ":":
        return not _HEADINGS & set(tokens[:end])
    if last == "=":
        return end < 2 or tokens[end - 2] not in "<>!≠≤≥~"
    return last in _VERBS or _with_particle(tokens[max(end - 3, 0) : end])


_NOUNS_TOO = _set("answer result total sum worth choose pick there's it's that's = : → ⇒ ≈ ➜ ∴")


def ends_in_verb(tokens: list[str]) -> int:
    """The place of the verb that states what follows these words (adverbs aside), as its number of words; 0 for none.

    A colon or an arrow is no verb here: `10:5` is a ratio.
    """
    end = _before_adverbs(tokens)
    if not end:
        return 0
    if tokens[end - 1] in _VERBS - _NOUNS_TOO:
        return end - 1
    return max(end - 2, 0) if end > 2 and _with_particle(tokens[max(end - 3, 0) : end]) else 0


def verbs_of(tokens: list[str]) -> bool:
    """Whether words hold a verb that states."""
    return not (_VERBS - _NOUNS_TOO).isdisjoint(tokens)


def _with_particle(tokens: list[str]) -> bool:
    """Whether words end in a verb with its particle: `comes to`, `adds up to`, `increases by`, `il y a`."""
    *before, last = tokens
    if last == "to":
        return bool(before) and (before[-1] in _TO or (before[-1] == "up" and before[0] in _TO))
    return bool(before) and (
        (last == "by" and before[-1] in _BY)
        or (last == "a" and before[-1] in ("y", "il", "elle", "on"))
        or (last == "de" and before[-1] in ("est", "était"))
    )


def _before_adverbs(tokens: list[str]) -> int:
    """Where a lead ends, without adverbs and without "a total of"."""
    end = len(tokens)
    while end:
        article = tokens[end - 1] in _ARTICLES and end < len(tokens) and tokens[end] in _ADVERBS - {"déjà", "encore"}
        if article or tokens[end - 1] in _ADVERBS:
            end -= 1
        elif (
            tokens[end - 1] == "of"
            and end > 1
            and tokens[end - 2] in _AMOUNTS
            and (end == 2 or tokens[end - 3] in _ARTICLES)
        ):
            end = max(end - 3, 0)
        else:
            break
    return end


def disowns(text: str, harmless: frozenset[str] = frozenset()) -> bool:
    """Whether words deny, hedge, offer another, bound, condition, or name an operation."""
    tokens = tokens_of(text)
    if _bounds(tokens) or not _DISOWNED.isdisjoint(set(tokens) - harmless):
        return True
    return denies(text) or doubts(text) or offers_several(text) or takes_back(text)


_CLAUSE_END = re.compile(r"[.!?;:,\n。；！？，、：]")
_LIMITS = re.compile(
    r"(?:than|except|all but|between|nearly|almost|minus|negative|plus|times|below|above"
    r"|under|over|(?:half|third|quarter|root|square|cube|double|twice|triple|log|logarithm|reciprocal|inverse|factorial)"
    r"(?: of)?)\s*$",
    re.IGNORECASE,
)


def takes_away(before: str, behind: str) -> bool:
    """Whether words around a formula deny or doubt it, bound it, or do something to it, so that it is not the answer."""
    near = before[-_NEAR:]
    if _bounds(tokens_of(near)[-3:]) or _LIMITS.search(near):
        return True
    clauses = _CLAUSE_END.split(before[-_FAR:])[-1], _CLAUSE_END.split(behind[:_FAR])[0]
    return any(denies(words) or doubts(words) for words in clauses)


def _bounds(tokens: list[str]) -> bool:
    """Whether "at most" or its like is there; "adds up to" is none."""
    pairs = zip(["", *tokens], tokens, tokens[1:], strict=False)
    return any(f"{a} {b}" in _AT and before not in _TO for before, a, b in pairs)


def leaves_standing(tail: str) -> bool:
    """Whether what follows a number and its noun takes nothing back: no denial, no question, no operation."""
    tokens = tokens_of(tail)
    if len(tokens) > _MOST_BEHIND or not set("?!<>=+×÷±^~").isdisjoint(tokens):
        return False
    return not disowns(_HARMLESS.sub(" ", tail), _HARMLESS_AFTER)  # "3 cars and no trucks"


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
    return first in _BEHIND or first in ".,;:(\"'`*$)|"


def is_noun(words: list[str]) -> bool:
    """Whether words name what was counted ("red apples"), as against letters that are multiplied, or an operation."""
    return (
        0 < len(words) <= 5
        and all(len(word) > 2 and word[0].isalpha() for word in words)
        and (words[0] not in _OPERATORS or words[0] == "more")
        and (words[-1] not in _OPERATORS or words == ["more"])
        and not disowns(" ".join(words))
    )


def begins_behind(word: str) -> bool:
    """Whether a word ends a noun: from here on it is what follows."""
    return word in _BEHIND


def equates(left: str) -> bool:
    """Whether what is left of the last `=` lets its right side be the answer: a name, a sum, a chain of sums."""
    if not _ARITHMETIC.match(left[-2:]) or disowns(left):
        return False
    _, *more = left.split("=")
    if any(_LETTERS.search(part.replace("\\", "")) and re.search(r"[a-zA-Z]{4}", part) for part in more):
        return False
    return not _LIST_COMMA.search(left) and (not more or not re.search(r"\band\b", left))

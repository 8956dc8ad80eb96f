"""Reads one number out of a short text: signs, marks, fractions, powers of ten, words, percent, unit, and its sentence."""

import re
from dataclasses import replace
from fractions import Fraction

from filters.verify.conclusion import concluded, last_statement, states_result
from filters.verify.digits import Marks
from filters.verify.east_asian import has_denial, in_east_asian, read_east_asian
from filters.verify.figures import NUMBER, Numeral, value_in
from filters.verify.lead_in import corrected
from filters.verify.normalise import flat, unprefixed
from filters.verify.number_notation import is_formula
from filters.verify.number_notation import plain as plain_of
from filters.verify.number_sentence import (
    disowns,
    equates,
    follows,
    is_noun,
    leaves_standing,
    states,
    tokens_of,
)
from filters.verify.number_tail import noun_and_tail, parts_behind, same_number
from filters.verify.number_words import NUMBER_WORDS, ORDINALS, after_digits, read_words, suffix_of, words_of
from filters.verify.units import is_unit, looks_like_unit
from schemas.connectives import SO
from schemas.remembered import remembered

MAX_CHARS = 400
"""A numeral is short; whatever is longer is not read as one."""

_INTEGER = re.compile(r"-?[0-9]{1,18}\Z")
_ABOUT = re.compile(
    r"^(?:(?:about|approximately|approx\.?|around|roughly|exactly|precisely|only|just|a total of|≈|~)\s*)+(?![a-z])|"
    r"^(?:(?:about|approximately|approx\.?|around|roughly|exactly|precisely|only|just|a total of)\s+)+",
    re.IGNORECASE,
)
_SCALED = re.compile(r"[ -](?=[a-zA-Z])")
_PERCENT = re.compile(r"^\s*(?:%|percent\b|per cent\b|pct\b|٪)\s*", re.IGNORECASE)
_SIGN_WORD = re.compile(r"^(minus|negative|positive)\s+(?=[\d.$€£¥a-z])", re.IGNORECASE)
_SIGN_BEFORE = re.compile(r"\b(minus|negative)\s+$", re.IGNORECASE)
_BELOW_ZERO = re.compile(r"^(.*?)\s*below (?:zero|freezing)$", re.IGNORECASE | re.DOTALL)
_LETTERS = re.compile(r"[^\W\d_]{2}")
_EDGES = ' \t\r\n.,;:"`'
_WORD = re.compile(r"[^\W\d_][^\W\d_'-]*")
_FUNCTIONS = frozenset(["sqrt", "sin", "cos", "tan", "log", "exp", "cot", "sec", "csc", "inf", "infinity"])
_DIGIT = re.compile(r"\d")
_DOLLARS = re.compile(r"(?<![\\$])\$([^$\s]|[^$\s][^$]{0,60}[^$\s\\])\$(?![\d$])")
_EXCLAIMED = re.compile(r"(?<=[a-z])!+$")
_AGO = re.compile(r"\b[a-z]+ ago[.!]?\s*$", re.IGNORECASE)
_BRACKETED = re.compile(r"[(（]\s*(-?[\d.,/]+)\s*[)）]")
_IN_YEAR = re.compile(
    r"\b(?:in|en|em|im jahr|в)\s+(?:19|20)\d\d\s+(?=(?:is|was|were|are|est|était|es|fue|é|foi|war|ist)\b)",
    re.IGNORECASE,
)
"""A year in front of the verb that states: "the share of those who agreed in 2019 was 61%"."""
_PARAGRAPH = re.compile(r"(?<=[\w*%)$])[ \t]{0,8}\n\s{0,8}\n")
_VERB_LAST = re.compile(r"(?:हैं?|थीं?|थे|था)\s*[।.]?\s*$")
"""Hindi: the verb that states ends the sentence."""
_QUOTED = re.compile(r"^(['\"`])([^'\"`]*)\1$")
_CONNECTIVE = re.compile(
    rf"^(?:(?:and )?(?:{SO['en']})|then|finally|here|now|so then|in total|altogether)\s*,?\s+", re.IGNORECASE
)


def _length(text: str, *_: object) -> int:
    return len(text)


def read_numeral(text: str, marks: Marks = "auto", any_unit: bool = False) -> Numeral | None:
    """The number that is the whole of `text`, unit and lead-in words aside; None when it is not exactly one number.

    `any_unit`: a unit that is in no table may follow, whatever it looks like.
    """
    return _read_whole(text, marks, any_unit) if len(text) <= MAX_CHARS else None


@remembered(size=_length)
def _read_whole(text: str, marks: Marks, any_unit: bool) -> Numeral | None:
    if _INTEGER.match(text):
        return Numeral(Fraction(int(text)))
    if not text.isascii() and in_east_asian(text):
        return _east_asian(text, marks)
    text = unprefixed(text)
    if is_formula(text):
        return None
    plain = _CONNECTIVE.sub("", plain_of(_DOLLARS.sub(r" \1", _QUOTED.sub(r"\2", text))))
    if "=" in plain:
        left, _, plain = plain.rpartition("=")
        if not equates(_CONNECTIVE.sub("", left)):
            return None
        plain = plain.strip(" *`")
    return _whole(_ABOUT.sub("", plain), marks, any_unit)


def only_numeral(text: str, marks: Marks = "auto") -> Numeral | None:
    """The number that a sentence states ("There are 3 cars."); None when it states several, or none.

    See `number_sentence` for what may be before and behind it.
    """
    return _read_sentence(text, marks) if len(text) <= MAX_CHARS else None


@remembered(size=_length)
def _read_sentence(text: str, marks: Marks, results: bool = True) -> Numeral | None:  # noqa: PLR0911
    numeral = _read_whole(text, marks, False)
    if numeral is not None:
        return numeral
    text = _PARAGRAPH.sub(". ", text) if "\n" in text else text
    later = corrected(text)
    whole = later if _DIGIT.search(text[: len(text) - len(later)]) else text
    text = unprefixed(whole)
    if is_formula(text):
        return None
    if not text.isascii() and in_east_asian(text):
        return _result_in_east_asian(_unmarked(flat(whole)), marks)
    plain = _unmarked(text)
    if (whole_of_parts := _with_parts(plain, marks)) is not None:
        return whole_of_parts
    found = [m for m in NUMBER.finditer(plain) if _on_its_own(plain, m)]
    if found:
        if len(values := {(n.value if (n := value_in(m, marks)) else None) for m in found}) != 1:
            if len(values) == 2 and len(undated := _IN_YEAR.sub("", plain, count=1)) < len(plain):
                return _read_sentence(undated, marks, False)
            return _result(_unmarked(flat(whole)), marks) if results else None
        first = found[0]
        start = first.end() - len(first.group().lstrip())
        return _stated(plain, start, marks, whole)
    if not _LETTERS.search(plain):
        return None
    starts = (
        m.start() for m in _WORD.finditer(plain) if m.group().casefold() in NUMBER_WORDS | {"a", "minus", "negative"}
    )
    return next((n for start in starts if (n := _stated(plain, start, marks, whole)) is not None), None)


def _with_parts(plain: str, marks: Marks) -> Numeral | None:
    """The number in front of a bracket that says what it is made of."""
    made_of = parts_behind(plain)
    numeral = _read_sentence(made_of[0], marks) if made_of is not None else None
    return numeral if made_of is not None and numeral is not None and numeral.value == made_of[1] else None


def _unmarked(text: str) -> str:
    return plain_of(_DOLLARS.sub(r" \1", text)).replace("**", "").replace("__", "")


def _names_a_number(lead: str) -> bool:
    """Whether a number in words is in it ("three cats and")."""
    return not (NUMBER_WORDS - {"one"}).isdisjoint(tokens_of(lead))


def _result(plain: str, marks: Marks) -> Numeral | None:
    """The number that a text of several numbers comes to (`conclusion`); None where it comes to none."""
    sentence, counts = last_statement(plain)
    if not counts:
        return None
    end = concluded(sentence)
    if end is not None:
        again = not (end[0].isdigit() and states(sentence[: -len(end)]))  # "the answer is 5 and some say 6"
        if (numeral := _read_sentence(end, marks, again)) is not None or not again:
            return numeral
    if sentence != plain and (numeral := _read_sentence(sentence, marks)) is not None:
        return numeral
    found = [m for m in NUMBER.finditer(sentence) if _on_its_own(sentence, m)]
    start = found[-1].end() - len(found[-1].group().lstrip()) if found else 0
    lead = sentence[:start]
    return _whole(sentence[start:], marks, False, sentence=True) if lead and states_result(lead) else None


def _result_in_east_asian(plain: str, marks: Marks) -> Numeral | None:
    """The same of a Chinese, Japanese or Korean text: what it concludes, or the right side of its last `=`."""
    sentence, counts = last_statement(plain)
    if not counts:
        return None
    end = concluded(sentence) or sentence
    left, equals, right = end.rpartition("=")
    if equals and not has_denial(left):
        end = right
    return _east_asian(end, marks) if in_east_asian(end) else _read_whole(end, marks, False)


def _stated(plain: str, start: int, marks: Marks, whole: str) -> Numeral | None:
    """The number that begins at a place, where what is before and behind it lets the sentence state it."""
    lead = plain[:start]
    signed = _SIGN_BEFORE.search(lead)
    if signed is not None:
        start, lead = signed.start(), lead[: signed.start()]
    stating = states_result if _names_a_number(lead) else states
    elsewhere = _AGO.search(plain, start) or _VERB_LAST.search(whole)
    if not (stating(lead) or (elsewhere and not _DIGIT.search(lead) and not disowns(lead))):
        return None
    return _whole(plain[start:], marks, False, sentence=True)


def _whole(plain: str, marks: Marks, any_unit: bool, sentence: bool = False) -> Numeral | None:
    """The number with which a text begins, where the rest of it is a unit, what was counted, or in a sentence its end."""
    signed = _SIGN_WORD.match(plain)
    if signed is not None:
        inner = _whole(plain[signed.end() :], marks, any_unit, sentence)
        if inner is None or inner.value < 0 or plain[signed.end()] in "+-":
            return None
        return replace(inner, value=-inner.value) if signed.group(1)[0] in "mMnN" else inner
    head = _head(plain, marks)
    if head is None:
        return None
    numeral, rest = head
    if (below := _BELOW_ZERO.match(rest.strip(" ."))) is not None and numeral.value > 0:
        numeral, rest = replace(numeral, value=-numeral.value), rest[: below.end(1)]
        rest = below.group(1)
    return _with_rest(numeral, rest, any_unit, sentence)


def _head(plain: str, marks: Marks) -> tuple[Numeral, str] | None:
    """The number that a text begins with, and the rest of the text."""
    match = NUMBER.match(plain)
    if match is None:
        words = words_of(plain)
        read = read_words([word for word, _ in words])
        return (Numeral(read[0]), plain[words[read[1] - 1][1] :]) if read is not None else None
    numeral = value_in(match, marks)
    if numeral is None:
        return None
    rest = plain[match.end() :]
    suffix = suffix_of(rest, numeral.unit is not None)
    if suffix is not None:
        letter = rest[: suffix[1]].strip()
        unit_too = letter in ("K", "M", "B", "T") and numeral.unit is None
        return replace(numeral, value=numeral.value * suffix[0], suffix=letter if unit_too else None), rest[suffix[1] :]
    scaled = _SCALED.match(rest)
    words = words_of(rest[1:]) if scaled else []
    value, taken = after_digits(numeral.value, [word for word, _ in words]) if words else (numeral.value, 0)
    return (replace(numeral, value=value), rest[1 + words[taken - 1][1] :]) if taken else (numeral, rest)


def _with_rest(numeral: Numeral, rest: str, any_unit: bool, sentence: bool) -> Numeral | None:
    if not rest:
        return numeral
    percent = _PERCENT.match(rest)
    if percent is not None:
        numeral, rest = replace(numeral, percent=True), rest[percent.end() :]
    spaced = rest[:1].isspace() or percent is not None
    if (not spaced and rest[0] in "+*^(_=|<>[{") or rest.startswith(".."):
        return None
    rest = rest.strip()
    bare = rest.rstrip(". ")
    if not bare or (sentence and not bare.strip(_EDGES + "$)")):
        return numeral
    if not percent and is_unit(bare) and (spaced or not rest[0].isspace()):
        return replace(numeral, unit=_joined(numeral.unit, bare))
    if any_unit and not percent and spaced and len(bare) <= 30 and not re.search(r"[\d=,;]", bare) and len(bare) > 1:
        words = tokens_of(bare)
        if is_noun(words) or (not disowns(bare) and not _FUNCTIONS & set(words) and bare not in ("pi", "e")):
            return replace(numeral, unit=_joined(numeral.unit, bare))
    return _counted(numeral, rest, spaced)


def _joined(money: str | None, unit: str) -> str:
    return unit if money is None or is_unit(unit) else money


def _counted(numeral: Numeral, rest: str, spaced: bool) -> Numeral | None:
    """The number with its unit or noun, where what follows is the rest of a sentence that does not take it back."""
    noun, tail = noun_and_tail(_EXCLAIMED.sub("", rest))
    if tail and not (follows(tail, noun) and leaves_standing(tail) and same_number(tail, numeral)):
        return None
    if not noun:
        return numeral
    if not numeral.percent and (is_unit(noun) or (spaced and len(noun) > 2 and looks_like_unit(noun))):
        return replace(numeral, unit=_joined(numeral.unit, noun))
    words = noun.casefold().split()
    other = (_FUNCTIONS | NUMBER_WORDS | ORDINALS) & (set(words) - {"second", "seconds"})
    if not spaced or other or not is_noun(words):
        return None
    return numeral if numeral.percent else replace(numeral, unit=_joined(numeral.unit, noun))


def _east_asian(text: str, marks: Marks) -> Numeral | None:
    read = read_east_asian(_BRACKETED.sub(r"\1", plain_of(unprefixed(text.replace("**", "")))))
    if read is None:
        return None
    if read.value is not None:
        return Numeral(read.value, read.unit, read.percent)
    inner = _whole(plain_of(read.digits), marks, False)
    if inner is None:
        return None
    return replace(inner, value=-inner.value if read.negative else inner.value, unit=read.unit or inner.unit)


def _on_its_own(text: str, match: re.Match[str]) -> bool:
    start = match.end() - len(match.group().lstrip())
    before = text[start - 1 : start] or " "
    after = text[match.end() : match.end() + 1] or " "
    return (
        not (before.isalnum() or before in "_^([{" or (before in ".," and text[start - 2 : start - 1].isdigit()))
        and after not in "_^]}"
    )

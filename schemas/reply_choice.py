"""Which of several texts a reply names. Case, blanks and punctuation do not count; two different ones name none."""

import re
from collections.abc import Mapping, Sequence

from schemas.reply import marked_answer

_TOKEN = re.compile(r"(?<!\w)-?\d+(?:\.\d+)?|[^\W_]+|[+#%]")
"""Words, numbers with their sign, and the signs that tell names apart (C, C++, C#)."""

_WORDS = (
    r"(?:verdict|decision|judge?ment|answer|choice|option|label|class|category|classification|type|rating|result|"
    r"conclusion|evaluation|assessment)"
)
_LABEL = re.compile(
    rf"(?:^[ \t*_#>\"'`{{\-]*|[.!?][ \t]+|\b(?:so|thus|therefore|hence),?[ \t]+)(?:(?:the|my)[ \t]+)?"
    rf"(?P<final>(?:final|overall)[ \t_]+)?{_WORDS}[*_\"'` \t]*(?:[:=]|\b(?:is|would be|should be)\b:?)[*_\"'`( \t]*",
    re.IGNORECASE | re.MULTILINE,
)
"""What introduces a choice, at the start of a line or sentence: "Verdict:", "The answer is", `{"label":`."""

_END = re.compile(r"[*_`\"'”’)\]} \t]*(?:$|\n|[.,;:!—–()]|\s-\s)")
"""What may follow a choice where it is the whole of a statement."""

_STATEMENT = 200
"""Characters behind a label that are read for the choice, and for another one beside it."""

Form = tuple[str, ...]


_OF_A_NOUN = re.compile(
    r"no[ \t]+(?!(?:because|since|as|but|and|or|if|wait|sorry|it|they|the|this|that)\b)[^\W\d_]", re.IGNORECASE
)
"""The "no" of "there is no difference", which is not the choice."""


def reads_as(text: str) -> Form:
    """What counts of a text: texts that read alike are the same choice."""
    return tuple(_TOKEN.findall(text.casefold())) or (text.strip(" \t\n*_`\"'."),)


def read_choice(text: str, choices: Sequence[str]) -> str | None:
    """The one choice that a reply states: as all it says, in a marked answer, after a label ("Verdict: keep"), on a first or
    last line of its own, or as its first words ("Yes, because …"). None where it states none, or two different ones.

    A choice that is only mentioned counts for nothing: "I see no reason to reject" rejects nothing.
    """
    known = {reads_as(choice): choice for choice in choices}
    whole = known.get(reads_as(text))
    if whole is not None:
        return whole
    marked = marked_answer(text)
    if marked is not None:
        return known.get(reads_as(marked.answer)) or _leading(marked.answer, known)
    lines = [line for line in text.splitlines() if line.strip()]
    alone = {known.get(reads_as(line.lstrip(" \t#>*-"))) for line in (*lines[:1], *lines[-1:])} - {None}
    stated = _stated(text, known)
    found = alone | stated
    if found:
        return next(iter(found)) if len(found) == 1 else None
    return _leading(text, known)


def _stated(text: str, known: Mapping[Form, str]) -> set[str | None]:
    """The choices that follow labels; of those behind final ones, where there are any. A hedge is both."""
    found: dict[bool, set[str | None]] = {True: set(), False: set()}
    for label in _LABEL.finditer(text):
        line = text[label.end() : label.end() + _STATEMENT].partition("\n")[0]
        first = _first(line, known)
        if first is not None:
            found[label["final"] is not None] |= {first[0]} | _named(line[first[1] :], known)
    return found[True] or found[False]


def _leading(text: str, known: Mapping[Form, str]) -> str | None:
    """The choice that a text begins with, if it names no other."""
    first = _first(text.lstrip(" \t\n*_`\"'#>(["), known)
    return first[0] if first is not None and _named(text, known) <= {first[0]} else None


def _first(text: str, known: Mapping[Form, str]) -> tuple[str, int] | None:
    """The longest choice that a text begins with, and where it ends; None where it goes on in the same breath."""
    longest = max(map(len, known))
    tokens = []
    for token in _TOKEN.finditer(text):
        tokens.append(token)
        if len(tokens) == longest:
            break
    if not tokens or re.search(r"\S", text[: tokens[0].start()].strip("*_`\"'([{ \t")):
        return None
    for count in range(len(tokens), 0, -1):
        choice = known.get(tuple(t.group().casefold() for t in tokens[:count]))
        if choice is not None:
            end = tokens[count - 1].end()
            return (choice, end) if _END.match(text, end) else None
    return None


def _named(text: str, known: Mapping[Form, str]) -> set[str | None]:
    """All choices that a text mentions. Those of one letter count as they are written, because "a" is a word."""
    tokens = list(_TOKEN.finditer(text))
    words = [token.group().casefold() for token in tokens]
    longest, at, named = max(map(len, known)), 0, set[str | None]()
    while at < len(words):
        for count in range(min(longest, len(words) - at), 0, -1):
            choice = known.get(tuple(words[at : at + count]))
            if choice is not None:
                named |= {choice} if _is_meant(choice, tokens[at], text) else set()
                at += count
                break
        else:
            at += 1
    return named


def _is_meant(choice: str, token: re.Match[str], text: str) -> bool:
    if len(choice.strip()) == 1:
        return token.group() == choice.strip()
    return reads_as(choice) != ("no",) or not _OF_A_NOUN.match(text, token.start())

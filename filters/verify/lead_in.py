"""What people write around an answer: lead-ins, closing words, doubts, denials, corrections, alternatives.

One grammar for every kind of answer and eleven languages (English, Chinese, Japanese, Korean, French, German, Spanish,
Portuguese, Russian, Arabic, Hindi, and Italian). The tables are in `filters.verify.phrases`. Every function is linear.

- `unled("So the final answer is: 5, definitely.")` is `5`, as are `答案是5`, `정답은 5입니다` and `5 is the correct answer`.
- `denies`, `doubts`, `offers_several`, `takes_back`: whether a text says not, maybe, or, wait.
- `denied_before`, `denied_behind`, `left_of`: which of several places or lists in a text it states.
- `corrected("5. Wait, 6")` is what follows the last correction: `6`.
"""

import re

from filters.verify import phrases
from filters.verify.markup import unmarked

_TURNS = 6


def unled(text: str) -> str:
    """The answer alone: without its lead-in, the words that close it, and the markup around it.

    Words of conviction are no doubt ("I think", "probably", "definitely"). What is left may be anything, and is the text
    itself where there is no lead-in. A text that is nothing but a lead-in is left as it is.
    """
    text = unmarked(text)
    for _ in range(_TURNS):
        before = text
        text = _without_closing(_without_lead(text))
        if text == before:
            return text
    return text


def denies(text: str) -> bool:
    """Whether a word of it denies: not, isn't, never, wrong, 不, 아니, nicht, нет … ("no doubt" and "not only" do not)."""
    return phrases.DENIAL.search(phrases.NO_DENIAL.sub(" ", text)) is not None


def doubts(text: str) -> bool:
    """Whether it leaves the answer open: maybe, perhaps, might be, it could be, I am not sure, 可能, 也许 …"""
    return phrases.DOUBT.search(text) is not None


def offers_several(text: str) -> bool:
    """Whether it offers one of several: or, either, 或, 또는, oder …"""
    return phrases.ALTERNATIVE.search(text) is not None


def takes_back(text: str) -> bool:
    """Whether it corrects itself: wait, actually, no:, scratch that, 不对, 等等 …"""
    return phrases.CORRECTION.search(text) is not None


def corrected(text: str) -> str:
    """What follows the last correction of itself; the text where there is none, or nothing follows it."""
    end = max((match.end() for match in phrases.CORRECTION.finditer(text)), default=0)
    return text[end:].strip() or text


_MOST_TALK = 4000
_MAY_ANSWER = re.compile(r"[\d$\\=?？]")


def without_talk(text: str) -> str:
    """The answer of a first line that is led in ("Answer: 42"), where all below only talks; else the text.

    Talk has no figure, formula, question, denial, doubt, alternative or correction, and no lead-in of its own.
    """
    first, _, talk = text.strip().partition("\n")
    answer = unled(first)
    if len(text) > _MOST_TALK or not talk.strip() or answer == unmarked(first) or not answer:
        return text
    sentences = (part.strip() for part in _SENTENCE.split(talk))
    if _MAY_ANSWER.search(talk) or any(unled(part) != unmarked(part) for part in sentences if part):
        return text
    return text if denies(talk) or doubts(talk) or offers_several(talk) or takes_back(talk) else answer


_SENTENCE = re.compile(r"[.!?;\n。；！？](?=\s|$|[^\x00-\x7f])|[\n。；！？]")
_SAYS_WHERE = re.compile(
    r"\b(?:is|are|was|were|lies|sits|stands|appears|starts|happens|est|ist|está|é|находится)\b|.{2}(?:在|位于|は)"
)
_NEAR = 60


def denied_before(text: str) -> bool:
    """Whether the words right in front of a place, a list or a fence deny or doubt it: "There is no cat at", "not".

    A denial that only describes what is there ("the man who is not wearing a hat is at") denies nothing.
    """
    near = phrases.NO_DENIAL.sub(" ", _SENTENCE.split(text[-_NEAR:])[-1])
    ends = [match.end() for pattern in (phrases.DENIAL, phrases.DOUBT) for match in pattern.finditer(near)]
    return bool(ends) and not _SAYS_WHERE.search(near[max(ends) :])


def denied_behind(text: str) -> bool:
    """Whether the words right behind it do: "is wrong", "isn't it", 不对, "?"."""
    if text.lstrip(" \n)]}>\"'*").startswith("?"):
        return True
    near = phrases.NO_DENIAL.sub(" ", _SENTENCE.split(text[:_NEAR])[0]).partition(",")[0].partition("(")[0]
    found = phrases.DENIAL.search(near)
    return found is not None and len(near[: found.start()].split()) < 3


def left_of(pieces: list[str]) -> list[int] | None:
    """Which of several things a text states, given its pieces before, between and behind them; None where it stays open.

    A thing that is denied is none of them, one before a correction neither; "or" between two leaves all open.
    """
    kept: list[int] = []
    for at, before in enumerate(pieces[:-1]):
        if at and offers_several(before):
            return None
        if takes_back(before):
            kept = []
        if not denied_before(before) and not denied_behind(pieces[at + 1]):
            kept.append(at)
    return kept


def _without_lead(text: str) -> str:
    end = phrases.lead(text)
    rest = text[end:]
    if end and rest.endswith("]") and "[" not in rest:  # [Answer: 5]
        rest = rest[:-1]
    return (unmarked(rest) or text) if end else text


def _without_closing(text: str) -> str:
    end = phrases.closing(text)
    return (unmarked(text[:end]) or text) if end < len(text) else text

"""A model's reply read as a trace: its thought, its answer, and what it says beside them.

Traces, rollouts and whatever else holds a reply are read here, so that the same words give the same answer everywhere.
"""

from typing import NamedTuple

from schemas.expressions import expression, matches
from schemas.reply import (
    LAST_WORDS,
    Found,
    answer_section,
    around_statement,
    before_statement,
    boxed_answer,
    final_sentence,
    split_reply,
    stated_answer,
)


class Reading(NamedTuple):
    """A reply taken apart. `summary` is what it says beside thought and answer, `thinking` whether it marks its thoughts."""

    reasoning: str
    final: str | None
    summary: str | None
    thinking: bool


def read_reply(
    text: str | None, field: str | None, pattern: str | None = None, *, cut: bool = False, prose: bool = False
) -> Reading:
    r"""Split a reply, and what its server put into a field of reasoning, into thought and answer.

    The answer is the last `<answer>`, what the recipe's own pattern finds, the last `\\boxed{}`, what words introduce
    ("the answer is", "**Answer:**"), and after a marked thought the last sentence; all of the content, where answers are
    `prose`. It is None in a reply that was `cut` off before it came to an answer that has an end of its own.
    """
    reply = split_reply(text, field)
    thinking = bool(reply.thought or (field or "").strip())
    if not reply.ended or (cut and not reply.thought):
        return Reading(reply.thought or reply.content.strip(), None, None, thinking)
    found = _closed_answer(reply.content) if cut else _answer(reply.content, pattern)
    if found is not None and not reply.thought:
        # A server that took all of a reply for thinking: what is not its end may be a plan.
        if thinking and reply.content[found.end :].strip(" \n.*$"):
            return Reading(reply.content.strip(), None, None, thinking)
        return Reading(before_statement(reply.content, found), found.answer or None, None, thinking)
    if found is None and reply.thought and not cut:
        final = reply.content.strip() if prose else final_sentence(reply.content)
        found = Found(final, max(reply.content.rfind(final), 0), len(reply.content))
    if found is None:
        return Reading(reply.thought or reply.content.strip(), None, None, thinking)
    return Reading(reply.thought, found.answer or None, around_statement(reply.content, found) or None, thinking)


def _answer(text: str, pattern: str | None) -> Found | None:
    found = answer_section(text)
    if found is None and pattern is not None:
        found = answer_by(pattern, text)
    return found or boxed_answer(text) or stated_answer(text)


def answer_by(pattern: str, text: str) -> Found | None:
    """What a regular expression finds as its group `answer`, the last time that it matches among the last words."""
    begin = max(0, len(text) - LAST_WORDS)
    found = matches(pattern, [text[begin:]], "answer")[0]
    if not found:
        return None
    start, end, answer = found[-1]
    return Found(answer.strip(), begin + start, begin + end)


def _closed_answer(text: str) -> Found | None:
    """An answer whose end is marked, so that it was whole before its reply was cut off."""
    section = answer_section(text)
    return section if section is not None and text.endswith("</answer>", 0, section.end) else boxed_answer(text)


def whole_sentences(text: str) -> str:
    """Cut a half sentence off the end of a truncated reply, so that what is forced next does not follow broken text."""
    end = max(text.rfind("."), text.rfind("\n"))
    return text[: end + 1].strip() if end > 0 else text.strip()


def answer_pattern(pattern: str | None) -> str | None:
    """The pattern, if it may be used to find answers. Raises ValueError, in a sentence, where it may not."""
    return None if pattern is None else expression(pattern, "answer")

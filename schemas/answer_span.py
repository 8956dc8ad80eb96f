"""Finds the answer in a response. Everything after looks at this span only, never at the whole trace."""

import re
from functools import lru_cache

from schemas.remembered import remembered
from schemas.reply import boxed_answer, content_of, marked_answer, thinks
from schemas.tags import TAG_SCHEMAS, TagSchema, canonical


@remembered(
    size=lambda response, *tags: len(response)
)  # whoever judges asks whether a span was judged, then for the span
def answer_span(response: str, tags: str = "think_answer") -> str | None:
    """The answer's text, or None.

    The place that the tag schema names comes first: the last section of its own mark (`### Answer:`, `<CONCLUSION>`), or
    the last box where the schema asks for one. Else the last `<answer>` wins (its closing mark may have been eaten by a
    stop string), else the last balanced `\\boxed{}`, else, where the whole is the answer, all of it. A line "Answer: …"
    after a box of such a text counts more than the box, and a line `#### 42`, with what follows it, more than what comes
    before.

    Only what the response says after its thinking is looked at (`schemas.reply`): inside a thought, an answer is a plan. A
    `\\boxed{}` inside the span is unwrapped. Tags are read in any case and with blanks inside (`< Answer >`).
    """
    schema = TAG_SCHEMAS[tags]
    response = canonical(response, schema)
    content = content_of(response)
    span = _named(content, schema)
    if span is None and (found := marked_answer(content)) is not None:
        span = (_labelled(content, found.end) if schema.inner == "text" and not _mark(schema) else None) or found.answer
    if span is None:
        span = _rest(response, content, schema)
    return (span.strip() or None) if span is not None else None


def section(response: str, name: str) -> str | None:
    """The text of the last `<name>…</name>`, wherever it is; None when there is none. For composite answers."""
    marks = list(_loose(name).finditer(response))
    close = max((i for i, mark in enumerate(marks) if mark.group(1)), default=-1)
    start = max((i for i, mark in enumerate(marks[: max(close, 0)]) if not mark.group(1)), default=-1)
    return response[marks[start].end() : marks[close].start()].strip() if start >= 0 else None


@lru_cache(maxsize=256)
def _loose(name: str) -> re.Pattern[str]:
    return re.compile(rf"<\s{{0,3}}(/?)\s{{0,3}}{re.escape(name)}\s{{0,3}}>", re.IGNORECASE)


def _mark(schema: TagSchema) -> str:
    return next(s.open for s in schema.sections if s.name == schema.answer)


def _named(content: str, schema: TagSchema) -> str | None:
    """The text of the place that this schema, and no other, gives to the answer; None where it is missing."""
    part = next(s for s in schema.sections if s.name == schema.answer)
    if part.open == "<answer>":
        return None
    if not part.open:
        found = boxed_answer(content) if schema.inner == "boxed" else None
        return found.answer if found else None
    start = max((match.end() for match in _any_case(part.open).finditer(content)), default=-1)
    if start < 0:
        return None
    end = content.find(part.close, start) if part.close else -1
    inside = content[start:] if end < 0 else content[start:end]
    box = boxed_answer(inside)
    if box and box.answer:
        return box.answer
    if schema.inner == "boxed":
        return None
    return inside.strip(" \t\n*_") if not part.close else inside


@lru_cache(maxsize=64)
def _any_case(mark: str) -> re.Pattern[str]:
    return re.compile(re.escape(mark), re.IGNORECASE)


_LABEL = re.compile(
    r"^[#*_> \t]{0,6}(?:(?:the|my) )?(?:(?:final|correct) )?(?:answer|答案)[*_ \t]{0,4}[:：][*_ \t]{0,4}(\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)


def _labelled(content: str, start: int) -> str | None:
    """The last line from `start` on that a label ("**Answer:** D") makes the answer."""
    labelled = list(_LABEL.finditer(content, start)) if start < len(content) else []
    return labelled[-1].group(1).strip(" \t*_") if labelled else None


_GSM8K = "#### "
"""The last line of a solution of GSM8K begins so, before its answer (openai/grade-school-math, dataset.py).

Talk may follow it, and is read with it; but a line of words with more below it is a heading.
"""


def _rest(response: str, content: str, schema: TagSchema) -> str | None:
    if schema.inner == "boxed" or _mark(schema):
        return None
    if len(schema.sections) > 1 and not thinks(response):
        return None  # the answer is the tail of a thought that was never there
    start = content.rstrip().rfind(f"\n{_GSM8K}")
    if start < 0 and not content.startswith(_GSM8K):
        return content
    rest = content[start + 1 + len(_GSM8K) :]
    line, _, talk = rest.partition("\n")
    if not talk.strip():
        return rest
    return content if any(character.isalpha() for character in line) else f"Answer: {rest}"

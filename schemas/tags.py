"""Tag schemas: how a reply is laid out, which section holds the answer, and one strict parser for all of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from schemas.errors import nearest

Inner = Literal["text", "boxed"]


@dataclass(frozen=True, slots=True)
class Tag:
    """One section between two marks. `close` empty: it runs to the next section's mark or to the end of the reply."""

    name: str
    open: str
    close: str
    optional: bool = False
    within: str | None = None


@dataclass(frozen=True, slots=True)
class TagSchema:
    """Sections in their order, once each; between and around them only blanks. `answer` names the one with the answer.

    `inner` says where in that section the answer is: the whole text, or the last `\\boxed{}` in it. A schema whose
    first section has no opening mark accepts a reply that starts inside it (the mark was part of the prompt).
    """

    name: str
    sections: tuple[Tag, ...]
    answer: str
    inner: Inner = "text"
    seen_in: str = ""


class Parsed(NamedTuple):
    """The sections found, the text of the answer (None: not there), and the first violation in words (None: none)."""

    sections: dict[str, str]
    answer_span: str | None
    violation: str | None


def _tag(name: str, tag: str | None = None, **more: bool | str | None) -> Tag:
    mark = tag or name
    optional = bool(more.get("optional"))
    within = more.get("within")
    return Tag(name, f"<{mark}>", f"</{mark}>", optional, within if isinstance(within, str) else None)


def _tags(name: str, *tags: str, answer: str = "answer", inner: Inner = "text", seen_in: str = "") -> TagSchema:
    return TagSchema(name, tuple(_tag(t.lower(), t) for t in tags), answer, inner, seen_in)


_SCHEMAS = (
    TagSchema("plain", (Tag("answer", "", ""),), "answer", seen_in="direct answers"),
    TagSchema("plain_boxed", (Tag("answer", "", ""),), "answer", "boxed", "VL-Rethinker, PAPO, MMR1"),
    _tags("think_answer", "think", "answer", seen_in="open-r1-multimodal, Video-R1, VLM-R1, R1-V"),
    _tags("think_answer_boxed", "think", "answer", inner="boxed", seen_in="the encoding every trainer's grader reads"),
    TagSchema(
        "think_tail", (_tag("think"), Tag("answer", "", "")), "answer", seen_in="DeepSeek-R1 and Qwen thinking replies"
    ),
    TagSchema(
        "think_tail_boxed", (_tag("think"), Tag("answer", "", "")), "answer", "boxed", "ViRL39K, MM-Eureka replies"
    ),
    _tags("staged", "SUMMARY", "CAPTION", "REASONING", "CONCLUSION", answer="conclusion", seen_in="LLaVA-CoT"),
    _tags("summary_caption_think_answer", "summary", "caption", "think", "answer", seen_in="Reason-RFT"),
    _tags("info_think_answer", "info", "think", "answer", seen_in="Visionary-R1"),
    _tags("caption_bbox_answer", "caption", "bbox", "answer", seen_in="SATORI-R1"),
    _tags("bbox_think_answer", "bbox", "think", "answer", seen_in="DeFacto"),
    _tags("context_think_answer", "context", "think", "answer", seen_in="HumanOmniV2"),
    _tags("think_glue_answer", "think", "glue", "answer", seen_in="VideoChat-R1"),
    TagSchema(
        "think_chars_answer",
        (_tag("think"), _tag("chars", within="think"), _tag("answer")),
        "answer",
        seen_in="r1_vlm message decoding",
    ),
    _tags("think_rethink_answer", "think", "rethink", "answer", seen_in="VL-Rethinker, GThinker"),
    TagSchema(
        "think_reflect_answer",
        (_tag("think"), _tag("reflection", optional=True), _tag("answer")),
        "answer",
        seen_in="reflection variants",
    ),
    TagSchema("observe_think_answer", (_tag("observe"), _tag("think"), _tag("answer")), "answer", seen_in="Observe-R1"),
    TagSchema(
        "thought_solution",
        (
            Tag("thought", "<|begin_of_thought|>", "<|end_of_thought|>"),
            Tag("solution", "<|begin_of_solution|>", "<|end_of_solution|>"),
        ),
        "solution",
        "boxed",
        "Virgo, OpenThoughts",
    ),
    TagSchema(
        "answer_marker",
        (Tag("reasoning", "", ""), Tag("answer", "### Answer:", "")),
        "answer",
        seen_in="LLaVA-Reasoner",
    ),
    TagSchema(
        "final_answer",
        (Tag("reasoning", "", ""), Tag("answer", "Final answer:", "")),
        "answer",
        seen_in="MPO",
    ),
    TagSchema(
        "think_step_action",
        (_tag("think"), _tag("step", optional=True, within="think"), Tag("action", "", "")),
        "action",
        seen_in="InfiGUI-R1",
    ),
    TagSchema("think_action", (_tag("think"), _tag("answer")), "answer", seen_in="UI-R1"),
    TagSchema("turn_search", (_tag("think"), _tag("search")), "search", seen_in="VRAG-RL: a turn that searches"),
    TagSchema("turn_bbox", (_tag("think"), _tag("bbox")), "bbox", seen_in="VRAG-RL: a turn that crops"),
    TagSchema(
        "turn_tool", (_tag("think"), _tag("tool_call")), "tool_call", seen_in="RRVF, VTS: a turn that calls a tool"
    ),
)

TAG_SCHEMAS: dict[str, TagSchema] = {schema.name: schema for schema in _SCHEMAS}


_LOOSE = re.compile(r"<\s{0,3}(/?)\s{0,3}([A-Za-z_]{1,20})\s{0,3}>")


def canonical(text: str, schema: TagSchema) -> str:
    """`text` with the schema's tags, `<think>` and `<answer>` as they should be written: `< Answer >` is `<answer>`."""
    if "<" not in text:
        return text
    names = _names(schema.name)

    def written(match: re.Match[str]) -> str:
        name = names.get(match.group(2).casefold())
        return f"<{match.group(1)}{name}>" if name else match.group()

    return _LOOSE.sub(written, text)


@cache
def _names(schema: str) -> dict[str, str]:
    marks = [s.open[1:-1] for s in TAG_SCHEMAS[schema].sections if s.open[:1] == "<" and s.close]
    return {"answer": "answer", "think": "think"} | {mark.casefold(): mark for mark in marks}


def parse_tags(text: str, schema: TagSchema) -> Parsed:
    """Reads `text` strictly: every required section once, in order, nothing outside but blanks.

    The first violation is named; what could be read up to it is still returned. A tag written otherwise (`< Answer >`) is
    read, as `schemas.answer_span` reads it, and is a violation.
    """
    given, text = text, canonical(text, schema)
    sections: dict[str, str] = {}
    violation = _walk(text, [s for s in schema.sections if s.within is None], sections)
    for nested in (s for s in schema.sections if s.within is not None):
        violation = violation or _nested(nested, sections)
    if violation is None and text != given:
        violation = "a tag is written in another case or with blanks"
    inside = sections.get(schema.answer)
    span = inside.strip() if inside is not None else None
    if schema.inner == "boxed" and span is not None:
        span = last_boxed(span)
        if span is None:
            violation = violation or f"no \\boxed{{}} in {schema.answer}"
    if span is not None and not span:
        violation = violation or f"{schema.answer} is empty"
    return Parsed(sections, span or None, violation)


def render(schema: TagSchema, sections: Mapping[str, str]) -> str:
    """Writes sections in the schema's order; the inverse of `parse_tags`. `KeyError`: a required one is missing."""
    parts = []
    for section in schema.sections:
        if section.within is not None or (section.optional and section.name not in sections):
            continue
        body = sections[section.name].strip()
        if schema.inner == "boxed" and section.name == schema.answer and last_boxed(body) is None:
            body = f"\\boxed{{{body}}}"
        gap = " " if section.open and not section.close else ""
        parts.append(f"{section.open}{gap}{body}{section.close}")
    return "\n".join(part for part in parts if part)


def known_tags(name: str) -> str:
    """The name of a tag schema. Raises ValueError for one that there is not."""
    if name not in TAG_SCHEMAS:
        raise ValueError(f"there is no tag schema '{name}'.{nearest(name, TAG_SCHEMAS)}")
    return name


def thoughts(schema: TagSchema) -> tuple[str, ...]:
    """The sections that a reply must have beside its answer. A trace, of one reasoning, fills one at most."""
    return tuple(s.name for s in schema.sections if s.name != schema.answer and not s.optional)


def render_trace(schema: TagSchema, reasoning: str, answer: str) -> str:
    """Writes a reasoning and its answer. `KeyError`: the schema asks for more than one section of reasoning (`thoughts`)."""
    return render(schema, {**dict.fromkeys(thoughts(schema)[:1], reasoning), schema.answer: answer})


_BRACES = re.compile(r"(\\f?box(?:ed)?\s*\{)|\\.|[{}]", re.DOTALL)


def last_boxed(text: str) -> str | None:
    """The inside of the last `\\boxed{…}` or `\\fbox{…}` whose braces balance; None when there is none. One pass."""
    box = last_box(text)
    return text[box[1] : box[2]].strip() if box else None


def last_box(text: str) -> tuple[int, int, int] | None:
    """Where the box of `last_boxed` begins, and where its inside begins and ends."""
    return max(all_boxes(text), default=None)


def all_boxes(text: str) -> list[tuple[int, int, int]]:
    """Every box whose braces balance, as `last_box` places it; inner boxes before those around them. One pass."""
    boxes: list[tuple[int, int, int]] = []
    opened: list[tuple[int, int] | None] = []
    for token in _BRACES.finditer(text):
        if token.group(1):
            opened.append(token.span())
        elif token.group() == "{":
            opened.append(None)
        elif token.group() == "}" and opened:
            start = opened.pop()
            if start is not None:
                boxes.append((*start, token.start()))
    return boxes


def _walk(text: str, wanted: list[Tag], sections: dict[str, str]) -> str | None:
    position = 0
    for index, section in enumerate(wanted):
        start = text.find(section.open, position) if section.open else position
        if start < 0:
            if section.optional:
                continue
            return f"{section.open} is missing" if section.open not in text else f"{section.open} is out of order"
        if text[position:start].strip():
            return f"text outside the sections, before {section.open}"
        begin = start + len(section.open)
        end = _end(text, begin, section, wanted[index + 1 :])
        if end < 0:
            sections[section.name] = text[begin:]
            return f"{section.close} is missing"
        body = text[begin:end]
        sections[section.name] = body.strip()
        position = end + len(section.close)
        if section.open and section.open in body:
            return f"{section.open} is opened twice"
    if text[position:].strip():
        return _what_follows(text[position:], wanted)
    return None


def _end(text: str, begin: int, section: Tag, later: list[Tag]) -> int:
    if section.close:
        return text.find(section.close, begin)
    marks = [text.find(s.open, begin) for s in later if s.open]
    found = [m for m in marks if m >= 0]
    return min(found) if found else len(text)


def _what_follows(rest: str, wanted: list[Tag]) -> str:
    again = next((s for s in wanted if s.open and s.open in rest), None)
    return (
        f"{again.open} occurs twice or out of order"
        if again
        else f"text outside the sections, after {wanted[-1].close}"
    )


def _nested(section: Tag, sections: dict[str, str]) -> str | None:
    outer = sections.get(section.within or "", "")
    opened, closed = outer.count(section.open), outer.count(section.close)
    if opened == closed == 0:
        return None if section.optional else f"{section.open} is missing in {section.within}"
    if opened != 1 or closed != 1 or outer.find(section.open) > outer.find(section.close):
        return f"{section.open} must occur once in {section.within}"
    begin = outer.find(section.open) + len(section.open)
    sections[section.name] = outer[begin : outer.find(section.close)].strip()
    return None

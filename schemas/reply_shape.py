"""The form of a reply, as `reply:` of a step says it: which columns it gives, how it is read, how decoding is held to it.

`text`, `{choice: [keep, reject]}`, `{score: [0, 9]}`, `{fields: {label: str, boxes: [float]}}` or `{tags: staged}`. What is
read here is what a reply says after its thinking (see `schemas.reply`), but for tags, whose sections hold the thinking.
A reply that has not the form, or that says two things, is unreadable: nothing is guessed.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BeforeValidator, Field, StrictFloat, StrictInt, model_validator

from schemas.completion import Constraint
from schemas.errors import nearest
from schemas.reply_choice import read_choice, reads_as
from schemas.reply_json import Reader, read_object
from schemas.reply_score import read_score, score_pattern, score_texts
from schemas.section import Section
from schemas.tag_pattern import tag_pattern
from schemas.tags import TAG_SCHEMAS, parse_tags

LONGEST_TEXT, LONGEST_LIST = 4000, 64
"""Characters and items that a field is held to where decoding is held to a form."""

FEW = 512
"""Tokens up to which texts are held so short that a reply ends within them."""

_EXACT = 2**53
_PLAIN: Mapping[str, pl.DataType] = {"str": pl.String(), "int": pl.Int64(), "float": pl.Float64(), "bool": pl.Boolean()}
_LISTS = ("str", "int", "float")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def _choices(values: Any) -> Any:
    if not isinstance(values, list | tuple):
        raise ValueError("a choice is a list of texts, such as [keep, reject]")
    seen: dict[tuple[str, ...], str] = {}
    for value in values:
        if not isinstance(value, str):
            word = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
            raise ValueError(f'a choice is a text: write it in quotes, as "{word}"')
        if not value.strip() or "\n" in value:
            raise ValueError("a choice is a text of one line, and not empty")
        other = seen.setdefault(reads_as(value), value)
        if other is not value:
            raise ValueError(f"'{other}' and '{value}' read alike: case, blanks and punctuation do not count")
    if len(values) < 2:
        raise ValueError("a choice is between two texts at least")
    return tuple(values)


def _kind(value: Any) -> Any:
    """The type of a field; a list of one is a list of that type."""
    if isinstance(value, str) and value in _PLAIN:
        return value
    if isinstance(value, list | tuple) and len(value) == 1 and value[0] in _LISTS:
        return tuple(value)
    if isinstance(value, Mapping | Value):
        return value
    given = value if isinstance(value, str) else "".join(map(str, value)) if isinstance(value, list | tuple) else ""
    raise ValueError(
        f"a field has one of the types {', '.join(_PLAIN)}, [str], [int], [float], {{choice: […]}}, {{score: [low, high]}}."
        + nearest(given, _PLAIN)
    )


class Value(Section):
    """A value of a given range: one of several texts, or a number between two."""

    choice: Annotated[tuple[str, ...], BeforeValidator(_choices)] | None = Field(
        default=None, description="one of these texts"
    )
    score: tuple[StrictInt | StrictFloat, StrictInt | StrictFloat] | None = Field(
        default=None, description="lowest and highest; where both are whole, decoding is held to whole numbers"
    )

    @model_validator(mode="after")
    def _one(self) -> "Value":
        names = list(type(self).model_fields)
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            what = f"this has {' and '.join(given)}" if given else "this has none"
            raise ValueError(f"a form has one of {', '.join(names)}; {what}")
        if self.score and not self.score[0] < self.score[1]:
            raise ValueError(f"a score has its lowest value first, and {self.score[0]} is not below {self.score[1]}")
        return self


Kind = Annotated[Literal["str", "int", "float", "bool"] | tuple[Literal["str", "int", "float"]] | Value,
                 BeforeValidator(_kind)]  # fmt: skip


class Form(Value):
    """A form that a reply has."""

    tags: str | None = Field(default=None, description="a tag schema: its sections become columns")
    fields: dict[str, Kind] | None = Field(default=None, description="a JSON object of these fields")

    @model_validator(mode="after")
    def _known(self) -> "Form":
        if self.tags is not None and self.tags not in TAG_SCHEMAS:
            raise ValueError(f"there is no tag schema '{self.tags}'.{nearest(self.tags, TAG_SCHEMAS)}")
        if self.fields is not None:
            odd = next((name for name in self.fields if not _NAME.fullmatch(name)), None)
            if odd is not None or not self.fields:
                raise ValueError(f"'{odd or ''}' is no name of a field: it has letters, digits and _, a letter first")
        return self


Reply = Literal["text"] | Form
"""What `reply:` of a step may be."""


def columns(reply: Reply, name: str = "text") -> dict[str, pl.DataType]:
    """The columns that a reply gives: one with the name `name`, or one for each field or section."""
    if reply != "text" and reply.fields is not None:
        return {field: _dtype(kind) for field, kind in reply.fields.items()}
    if reply != "text" and reply.tags is not None:
        return {section.name: pl.String() for section in TAG_SCHEMAS[reply.tags].sections}
    return {name: _PLAIN["str"] if reply == "text" else _dtype(reply)}


def parse(reply: Reply, text: str, name: str = "text", thought: str = "") -> dict[str, Any] | None:
    """The values of `columns` that a reply states; None where it cannot be read.

    `text` is what the reply says after its thinking. For tags it is all of the reply; `thought` is then what the server
    put into a field of its own, which is the first section where the reply does not open with it. Sections of a tag
    schema that may be missing are null then.
    """
    if reply == "text":
        return {name: text.strip()} if text.strip() else None
    if reply.tags is not None:
        return _sections(reply.tags, text, thought)
    if reply.fields is not None:
        return read_object(text, {field: _reader(kind) for field, kind in reply.fields.items()})
    value = read_choice(text, reply.choice) if reply.choice else read_score(text, *_bounds(reply))
    return None if value is None else {name: value}


def constraint(
    reply: Reply, longest: int | None = None, held: Mapping[str, str] | None = None, begun: str = ""
) -> Constraint | None:
    """The form that decoding is held to, which `parse` then reads; None where a reply is free.

    `longest` is how many characters all texts of a reply may have together: with few tokens, what is not cut parses.
    `held` are expressions of single sections of a tag schema (a text is the `answer` of `plain`), and `begun` is the start
    of the reply that was written already.
    """
    tags = "plain" if reply == "text" else reply.tags
    if tags is not None:
        pattern = tag_pattern(TAG_SCHEMAS[tags], longest, held, begun)
        return Constraint("regex", pattern) if pattern else None
    assert reply != "text"
    if reply.fields is not None:
        return Constraint("json", json.dumps(_object(reply.fields, longest), ensure_ascii=False))
    texts = reply.choice or score_texts(*_bounds(reply))
    if texts is not None:
        return Constraint("choice", json.dumps(texts, ensure_ascii=False))
    pattern = score_pattern(*_bounds(reply))
    return Constraint("regex", pattern) if pattern else None


def room(reply: Reply, tokens: int) -> int | None:
    """How many characters all texts of a reply may have together so that it ends within so many tokens, of one character at
    least; None where there are more than `FEW`: a long reply is not cut short, it is cut off."""
    if reply == "text" or tokens > FEW:
        return None
    marks = sum(len(tag.open + tag.close) + 2 for tag in TAG_SCHEMAS[reply.tags].sections) if reply.tags else 0
    names = sum(len(name) + len('"": "", ') for name in reply.fields or ())
    return max(tokens - marks - names, 1)


def _bounds(value: Value) -> tuple[float, float]:
    assert value.score is not None
    return value.score


def _dtype(kind: Any) -> pl.DataType:
    if isinstance(kind, Value):
        return _PLAIN["str" if kind.choice else "float"]
    return pl.List(_PLAIN[kind[0]]) if isinstance(kind, tuple) else _PLAIN[kind]


def _reader(kind: Any) -> Reader:
    if not isinstance(kind, Value):
        return kind  # type: ignore[no-any-return]
    if kind.choice is not None:
        known = {reads_as(choice): choice for choice in kind.choice}
        return lambda value: known.get(reads_as(value)) if isinstance(value, str) else None
    low, high = _bounds(kind)
    return lambda value: _within(value, low, high)


def _within(value: Any, low: float, high: float) -> float | None:
    if isinstance(value, str):
        return read_score(value, low, high)
    return (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        else None
    )


def _sections(name: str, text: str, thought: str) -> dict[str, Any] | None:
    schema = TAG_SCHEMAS[name]
    parsed, first = parse_tags(text, schema), schema.sections[0]
    if parsed.violation and thought and first.name != schema.answer:
        parsed = parse_tags(f"{first.open}{thought}{first.close}{text}", schema)
    if parsed.violation:
        return None
    found = {**parsed.sections, schema.answer: parsed.answer_span}
    return {section.name: found.get(section.name) for section in schema.sections}


def _object(fields: Mapping[str, Any], longest: int | None) -> dict[str, Any]:
    texts = sum(kind in ("str", ("str",)) for kind in fields.values())
    each = LONGEST_TEXT if longest is None else max(longest // max(texts, 1), 1)
    properties = {name: _json_type(kind, each, bound=longest is not None) for name, kind in fields.items()}
    return {"type": "object", "properties": properties, "required": list(fields), "additionalProperties": False}


def _json_type(kind: Any, longest: int, *, bound: bool) -> dict[str, Any]:
    whole: dict[str, Any] = {"minimum": -_EXACT, "maximum": _EXACT}
    if isinstance(kind, tuple):
        items = min(LONGEST_LIST, 1 + longest // 100) if bound else LONGEST_LIST
        return {"type": "array", "items": _json_type(kind[0], max(longest // items, 1), bound=bound), "maxItems": items}
    if isinstance(kind, Value) and kind.choice is not None:
        return {"enum": list(kind.choice)}
    if isinstance(kind, Value):
        low, high = _bounds(kind)
        both_whole = isinstance(low, int) and isinstance(high, int)
        return {"type": "integer" if both_whole else "number", "minimum": low, "maximum": high}
    types = {"str": {"type": "string", "maxLength": longest}, "int": {"type": "integer", **whole},
             "float": {"type": "number", **whole}, "bool": {"type": "boolean"}}  # fmt: skip
    return types[kind]

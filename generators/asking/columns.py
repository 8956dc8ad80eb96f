"""Which columns a reply gives, and what in it each of them holds."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from schemas.errors import nearest
from schemas.reply_row import REPLY
from schemas.reply_shape import Reply, columns
from schemas.tags import TAG_SCHEMAS, TagSchema

READ = ("text", "reasoning", "final", "summary")
"""What is read of every reply, whatever its form, and may be given: `text` is all that it says after its thinking."""
THOUGHTS = ("think", "thought", "reasoning")
"""Sections of tag schemas that hold the thought of a reply, which rows of replies have as `reasoning`."""


class Given(NamedTuple):
    """What a column holds: `source` is one of `READ`, or a field of the reply."""

    source: str
    dtype: pl.DataType


def single(reply: Reply) -> str | None:
    """What the one value of a reply is called in `gives` (`text`, `choice` or `score`); None where it has fields."""
    if reply == "text":
        return "text"
    return "choice" if reply.choice is not None else "score" if reply.score is not None else None


def given(reply: Reply, gives: Mapping[str, str] | None, makes: str | None, name: str) -> dict[str, Given]:
    """The columns of a step: by the form of its replies, renamed or replaced by `gives` (`{column: source}`).

    A reply of one value gives it under the step's own name, unless `gives` says otherwise. One with fields gives them all;
    of a row that is made, answer, thought and summary of a tag schema are `final`, `reasoning` and `summary`. Raises
    ValueError, in a sentence, for a source that there is not and for a column that replies have already.
    """
    one, named = single(reply), gives or {}
    fields = columns(reply, one or "")
    sources = {**dict.fromkeys(READ, pl.String()), **fields}
    for column, source in named.items():
        if source not in sources:
            there = ", ".join(dict.fromkeys((*fields, *READ)))
            raise ValueError(f"gives: {column}: the reply has no '{source}'.{nearest(source, sources)} It has {there}")
    if one is not None:
        chosen = {name: one} if gives is None else dict(named)
    else:
        hidden = set(named) | set(named.values()) | (_read_anyway(reply) if makes else set())
        chosen = {field: field for field in fields if field not in hidden} | dict(named)
    found = {column: Given(source, sources[source]) for column, source in chosen.items()}
    if makes is None and not found:
        raise ValueError(
            "gives: {} leaves nothing of the reply; name a column, or say with `makes` what unit it becomes"
        )
    if makes is not None:
        _check_free(found)
    return found


def _check_free(found: Mapping[str, Given]) -> None:
    for column, (source, dtype) in found.items():
        if column in REPLY and (column not in READ[1:] or dtype != REPLY[column]):
            raise ValueError(
                f"'{column}' is a column that rows of replies have already; give the reply's '{source}' another name, as in "
                f"gives: {{my_{column}: {source}}}"
            )


def _read_anyway(reply: Reply) -> set[str]:
    assert reply != "text"
    return {TAG_SCHEMAS[reply.tags].answer, "summary", *THOUGHTS} if reply.tags else set()


def thought(schema: TagSchema, values: Mapping[str, str | None]) -> str | None:
    """The thought of a reply in sections: the section that is one, or else all of them but its answer; None without any."""
    others = [s.name for s in schema.sections if s.name != schema.answer]
    own = [name for name in others if name in THOUGHTS] or others
    return "\n\n".join(values[name] or "" for name in own).strip() if own else None

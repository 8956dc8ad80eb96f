"""The step `unfold`: each item of a list that a row has becomes a row of its own.

So responses, rationales, critiques and pairs that were published with their questions enter a pipeline: a source keeps them
as a column (`columns: {responses: [str]}`), and this makes traces of them that all later steps take as if a model of the
recipe had just written them. Lists that a model wrote (`reply: {fields: {questions: [str]}}`) unfold too.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl
from pydantic import Field, field_validator, model_validator

from filters.sql.expression import ColumnName
from schemas.ids import content_id
from schemas.reading import answer_pattern, read_reply
from schemas.reply_row import REPLY
from schemas.split import DROPPED
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

TEXT, MODEL, SEEN = "text", "model", "gold_visible"
"""Fields of an item that is a reply: what it says, whose it is, and whether they had been shown the gold."""


class UnfoldConfig(StepConfig):
    """Which column holds the items, and what they become."""

    column: str = Field(description="a text, a list of texts, or a list of objects")
    makes: ColumnName = Field(description="the unit that each item becomes a row of")
    replies: bool = Field(
        default=True,
        description="items are what a model replied: a text, or an object's `text` (and `model`, `gold_visible`)",
    )
    answer_pattern: str | None = Field(
        default=None,
        description="a regular expression (Rust's syntax) for where a reply gives its answer; group `answer`",
    )

    @field_validator("answer_pattern")
    @classmethod
    def _finds_answers(cls, pattern: str | None) -> str | None:
        return answer_pattern(pattern)

    @model_validator(mode="after")
    def _read_as_replies(self) -> "UnfoldConfig":
        if self.answer_pattern is not None and not self.replies:
            raise ValueError("`answer_pattern` finds the answer of a reply; items that are none have `replies: false`")
        return self


def item_type(dtype: pl.DataType) -> pl.DataType:
    """The type of an item of a column: that of the list's items, or of a single text itself."""
    return pl.Series(dtype=dtype.inner).dtype if isinstance(dtype, pl.List) else dtype


def columns(item: pl.DataType, config: UnfoldConfig, name: str) -> dict[str, pl.DataType]:
    """What rows of items have: what all replies have, if they are replies, then the fields of an object, or the item itself.

    Raises ValueError for an item that is no reply, and for a field that has the name of what replies have already.
    """
    fields = {f.name: pl.Series(dtype=f.dtype).dtype for f in item.fields} if isinstance(item, pl.Struct) else None
    if not config.replies:
        return {name: item} if fields is None else fields
    if fields is None and item == pl.String():
        return dict(REPLY)
    if fields is None or fields.get(TEXT) != pl.String() or fields.get(MODEL, pl.String()) != pl.String():
        raise ValueError(
            f"items of `{config.column}` are {item}, and a reply is a text, or an object with `{TEXT}` (a text); "
            "of other items, say `replies: false`"
        )
    own = {field: dtype for field, dtype in fields.items() if field not in (TEXT, MODEL)}
    if own.get(SEEN) == pl.Boolean():
        del own[SEEN]
    if clash := [field for field in own if field in REPLY]:
        raise ValueError(
            f"'{clash[0]}' is a column that rows of replies have already; rename it in the source's `select`"
        )
    return {**REPLY, **own}


def _reads(config: UnfoldConfig, known: Known) -> Reads:
    return Reads({"items": replace(read(config.column), text=True)})  # a gold is unfolded as it was published


def _gives(config: UnfoldConfig, known: Known) -> Gives:
    types = known.types(config.of or "sample")
    if config.column not in types:
        return Gives(makes=config.makes)  # what it reads is refused, with the nearest name
    return Gives(columns(item_type(types[config.column]), config, config.as_ or "unfold"), makes=config.makes)


def body(tables: Tables, config: UnfoldConfig, context: Context) -> Out:
    """A row for each item, in their order. Null and blank items are dropped (`name:empty`); a row without any makes none."""
    items = tables.rows["items"]
    declared = columns(item_type(items.dtype), config, context.name)
    made, gone = list[dict[str, Any]](), list[dict[str, Any]]()
    for id_, held in zip(tables.rows["id"], items.to_list(), strict=True):
        for place, item in enumerate(held if isinstance(held, list) else [] if held is None else [held]):
            ids = {"id": content_id([context.name, id_, place]), "parent_id": id_}
            if _is_empty(item, replies=config.replies):
                gone.append({**ids, "reason": f"{context.name}:empty", "evidence": f'{{"place":{place}}}'})
            elif config.replies:
                made.append(ids | _reply(item, place, config, context))
            else:
                made.append(ids | (item if isinstance(item, dict) else {context.name: item}))
    schema = {"id": pl.String(), "parent_id": pl.String(), **declared}
    return Out(pl.DataFrame(made, schema=schema), pl.DataFrame(gone, schema={**DROPPED, "parent_id": pl.String()}))


def _is_empty(item: Any, *, replies: bool) -> bool:
    value = item.get(TEXT) if replies and isinstance(item, dict) else item
    return value is None or (isinstance(value, str) and not value.strip())


def _reply(item: Any, place: int, config: UnfoldConfig, context: Context) -> dict[str, Any]:
    """A text as what all replies are read as. How many tokens it has is not known."""
    fields: Mapping[str, Any] = item if isinstance(item, dict) else {TEXT: item}
    text = fields[TEXT]
    read_as = read_reply(text, None, config.answer_pattern)._asdict()
    known = {MODEL: None, **fields, **read_as, "index": place, "finish_reason": "stop", "tokens": None}
    return known | {SEEN: context.gold_visible or bool(fields.get(SEEN))}


STEP = StepType(
    name="unfold",
    summary="makes a row of each item of a list that a row has",
    version=2,
    config=UnfoldConfig,
    reads=_reads,
    gives=_gives,
    body=body,
    of="sample",
)

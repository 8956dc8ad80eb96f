"""The step `unfold`: each item of a list that a row has becomes a row of its own.

So responses, rationales, critiques and pairs that were published with their questions enter a pipeline: a source keeps them
as a column (`columns: {responses: [str]}`), and this makes traces of them that all later steps take as if a model of the
recipe had just written them. Lists that a model wrote (`reply: {fields: {questions: [str]}}`) unfold too.
"""

from dataclasses import replace

import polars as pl
from pydantic import Field, field_validator, model_validator

from filters.sql.expression import ColumnName
from schemas.ids import content_id
from schemas.reading import Reading, answer_pattern, read_reply
from schemas.reply_row import REPLY
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
    every = _items(tables.rows)
    ids = [content_id([context.name, *row]) for row in every.select("parent_id", "place").iter_rows()]
    every = every.with_columns(pl.Series("id", ids, dtype=pl.String))
    empty = _empty(_texts(every["item"]) if config.replies else every["item"])
    made, gone = every.filter(~empty), every.filter(empty)
    item = made["item"]
    if config.replies:
        given = _replies(item, config, context).with_columns(index=made["place"].cast(REPLY["index"]))
    else:
        given = item.struct.unnest() if isinstance(item.dtype, pl.Struct) else item.to_frame(context.name)
    rows = made.select("id", "parent_id").hstack(given.select(list(declared)))
    reason, evidence = pl.lit(f"{context.name}:empty"), pl.format('{{"place":{}}}', "place")
    return Out(rows, gone.select("id", reason=reason, evidence=evidence, parent_id="parent_id"))


def _items(rows: pl.DataFrame) -> pl.DataFrame:
    """Every item of `rows`: `parent_id, place, item`."""
    items = rows.select("items", parent_id="id")
    if not isinstance(items.schema["items"], pl.List):
        return items.filter(pl.col("items").is_not_null()).select("parent_id", place=pl.lit(0, pl.Int64), item="items")
    count = pl.col("items").list.len()
    some = items.filter(count > 0).with_columns(place=pl.int_ranges(count))
    return some.explode("items", "place").select("parent_id", "place", item="items")


def _texts(items: pl.Series) -> pl.Series:
    return items.struct.field(TEXT) if isinstance(items.dtype, pl.Struct) else items


def _empty(values: pl.Series) -> pl.Series:
    """Whether values are null or blank."""
    if values.dtype != pl.String:
        return values.is_null()
    return pl.Series([value is None or not value.strip() for value in values], dtype=pl.Boolean)


def _replies(items: pl.Series, config: UnfoldConfig, context: Context) -> pl.DataFrame:
    """Texts as what all replies are read as, and other fields of their objects. How many tokens they have is not known."""
    texts = _texts(items)
    fields = items.struct.unnest() if isinstance(items.dtype, pl.Struct) else pl.DataFrame()
    read_as = [read_reply(text, None, config.answer_pattern) for text in texts]
    own = {name: fields[name] for name in fields.columns if name not in REPLY}
    seen = fields[SEEN].fill_null(False) if SEEN in fields.columns else pl.lit(False)
    return pl.DataFrame(
        {
            **{name: pl.Series([getattr(one, name) for one in read_as], dtype=REPLY[name]) for name in Reading._fields},
            **own,
            TEXT: texts,
        }
    ).with_columns(
        (fields[MODEL] if MODEL in fields.columns else pl.lit(None, pl.String)).alias(MODEL),
        (seen | context.gold_visible).alias(SEEN),
        finish_reason=pl.lit("stop"),
        tokens=pl.lit(None, REPLY["tokens"]),
    )


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

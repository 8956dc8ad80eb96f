"""The texts of pairs: whole, readable, and of lengths that do not tell the sides apart."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
from pydantic import Field

from schemas.ids import chance
from schemas.section import Section
from schemas.step import Read, Reference, read

VERDICTS = ("correct", "score", "verdict", "no_answer")
"""Columns of `verify` by which recipes take sides."""


class Lengths(Section):
    """How the two texts of a pair may differ in length. Where preferred ones are the longer ones, DPO learns to go on."""

    ratio: float | None = Field(
        default=None, gt=1, description="make no pair of which one text is more than so many times as long as the other"
    )
    balance: bool = Field(
        default=False,
        description="keep as many pairs whose chosen text is the longer one as whose rejected text is, drawn by chance",
    )


def whole_reads(types: Mapping[str, Any]) -> dict[str, Read]:
    """What `whole` reads beside the text: the thought that a server gave in a field of its own."""
    if not {"reasoning", "thinking"} <= set(types):
        return {}
    return {"_reasoning": read("reasoning", pl.String()), "_thinking": read("thinking", pl.Boolean())}


def whole() -> pl.Expr:
    """The reply as a model writes it by itself: `<think>`, its thought and `</think>` before a text without its thought."""
    thought, text = pl.col("_reasoning").fill_null(""), pl.col("_text")
    apart = pl.col("_thinking").fill_null(False) & (thought.str.strip_chars() != "")
    apart &= ~text.str.contains(thought, literal=True)
    return (
        pl.when(apart).then(pl.format("<think>\n{}\n</think>\n\n{}", thought.str.strip_chars(), text)).otherwise(text)
    )


def form_reads(references: Iterable[Reference], types: Mapping[str, Any]) -> dict[str, Read]:
    """Of the `verify` whose verdicts the sides go by: whether a reply holds an answer and is laid out as its tags say."""
    for *place, last in sorted(references):
        named = {name: ".".join([*place, name]) for name in ("no_answer", "well_formed")}
        if last in VERDICTS and set(named.values()) <= set(types):
            return {f"_{name}": read(full, pl.Boolean()) for name, full in named.items()}
    return {}


def readable(rows: pl.DataFrame) -> pl.Expr:
    """Whether a reply holds an answer and is laid out as its tags say, as far as `rows` tell."""
    if "_well_formed" not in rows.columns:
        return pl.lit(True)
    return pl.col("_well_formed").fill_null(True) & ~pl.col("_no_answer").fill_null(False)


def _chars(pairs: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    long = dict(rows.select("id", pl.col("text").str.len_chars()).iter_rows())
    one, other = ([long[id_] for id_ in pairs[f"{side}_id"]] for side in ("chosen", "rejected"))
    return pl.Series(one, dtype=pl.Int64), pl.Series(other, dtype=pl.Int64)


def alike(pairs: pl.DataFrame, rows: pl.DataFrame, ratio: float) -> pl.Series:
    """Whether neither text of a pair (`chosen_id, rejected_id` of rows with `id, text`) is more than `ratio` times as
    long as the other."""
    one, other = _chars(pairs, rows)
    return (one <= other * ratio) & (other <= one * ratio)


def balanced(pairs: pl.DataFrame, rows: pl.DataFrame, seed: str) -> pl.DataFrame:
    """As many pairs whose chosen text is the longer one as pairs whose rejected text is; those of equal lengths stay."""
    one, other = _chars(pairs, rows)
    facts = pairs.with_columns(
        (one > other).cast(pl.Int8).alias("_ahead") - (other > one).cast(pl.Int8).alias("_behind")
    )
    drawn = facts.with_columns(chance(f"balance:{seed}", pairs["id"]).alias("_draw"))
    least = min(int((drawn["_ahead"] == side).sum()) for side in (1, -1))
    place = pl.struct("_draw", "id").rank("ordinal").over("_ahead")
    return drawn.filter((pl.col("_ahead") == 0) | (place <= least)).drop("_ahead", "_draw")

"""The step `pair`: rows that are preferred beside rows that are not, as rows of their own, for DPO and its relatives.

Two rows make a pair if they answer the same prompt, that is, were made from the same row, or if one goes on from the other
(MPO's rejected half continues a chosen response without the image). Equal texts of a model count once; a text that is chosen
once and rejected another time is on neither side, and so is what was cut off. All pairs that are left are made, or `cap`
of them for each prompt, and `max_pairs` of them together.

MPO / MMPR (`mmpr_data_pipeline_correctness_postprocess.py` of OpenGVLab/InternVL) makes all pairs of a right and a wrong
response but those whose right answer is part of the wrong one (`guard: final_in_final`), and draws 15 for each question.
A reply that cannot be read, or is not laid out as its tags say, is no worse answer to learn from: it is on neither side.
LongPerceptualThoughts pairs each response once at most (`once`); MM-RLHF pairs ranked responses by their `margin`.
"""

from typing import Self

import polars as pl
from pydantic import Field, model_validator

from filters.pair_texts import Lengths, alike, balanced, form_reads, readable, whole, whole_reads
from filters.pairing import SIDES, First, Guard, candidates, different, taken, unguarded
from filters.reads import number
from filters.sql.expression import Condition, ConditionText
from schemas.ids import chance, content_id
from schemas.section import Section
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read, reads_of


class Margin(Section):
    """By how much a chosen row is ahead."""

    column: str = Field(description="a column of numbers")
    at_least: float = Field(gt=0, description="how much more of it the chosen row has than the rejected one")


class PairConfig(StepConfig):
    """Which rows are paired, and how many pairs there may be."""

    chosen: ConditionText | None = Field(
        default=None, description="which rows are preferred; null: any, by the `margin`"
    )
    rejected: ConditionText | None = Field(
        default=None, description="which rows are not preferred; null: any, by the `margin`"
    )
    column: str | None = Field(
        default=None,
        description="the text of a row; null: the whole reply, thought too, or the column named like the step that made it",
    )
    cap: int | None = Field(default=None, ge=1, description="pairs of one prompt at most; null: all")
    max_pairs: int | None = Field(
        default=None, ge=1, description="pairs in all at most, drawn by chance whatever their prompt; null: all"
    )
    first: First = Field(
        default="chance",
        description="which pairs the cap leaves: drawn by chance, by id, or those of the widest margin",
    )
    once: bool = Field(default=False, description="a row is in one pair at most")
    guard: Guard | None = Field(
        default=None,
        description="make no pair where the chosen row's answer is part of the rejected one's (`final_in_final`), or "
        "occurs as words of their own in its text (`final_in_text`)",
    )
    margin: Margin | None = None
    across_models: bool = Field(
        default=False, description="pair a row of one model with a row of another too, which also teaches who speaks"
    )
    truncated: bool = Field(default=False, description="pair replies that were cut off, too")
    unreadable: bool = Field(
        default=False,
        description="pair replies without an answer that can be read, or not laid out as their tags say, too",
    )
    bare: bool = Field(default=False, description="pair replies that are bare answers, for which no thought was asked")
    lengths: Lengths | None = None

    @model_validator(mode="after")
    def _sides(self) -> Self:
        if self.margin is None and None in (self.chosen, self.rejected):
            raise ValueError("say which rows are `chosen` and which are `rejected`, or give a `margin`")
        if self.first == "widest" and self.margin is None:
            raise ValueError("`first: widest` goes by a margin; name its column in `margin`")
        return self


COLUMNS = dict.fromkeys(
    ("chosen", "rejected", "chosen_id", "rejected_id", "chosen_model", "rejected_model"), pl.String()
)


def reads(config: PairConfig, known: Known) -> Reads:
    """Texts, models and ends of the rows, and what conditions, guard and margin read.

    Raises ValueError for a condition that is none, and a margin of anything but numbers.
    """
    assert config.of is not None
    types = known.types(config.of)
    named = config.of if isinstance(config.of, str) else config.of[0]
    column = config.column or next((name for name in ("text", named) if name in types), "text")
    asked = [Condition(text) for text in (config.chosen, config.rejected) if text is not None]
    rows = {
        "_text": read(column, pl.String()),
        "_model": read("model", pl.String(), optional=True),
        "_end": read("finish_reason", pl.String(), optional=True),
    }
    if config.guard is not None:
        rows["_final"] = read("final", pl.String())
    if config.margin is not None:
        rows["_value"] = number(config.margin.column, config.of, known)
    if column == "text" and config.column is None:
        rows |= whole_reads(types)
    if not config.unreadable:
        rows |= form_reads([reference for condition in asked for reference in condition.references], types)
    for condition in asked:
        condition.type(types)
        rows |= reads_of(condition.references)
    return Reads(rows)


def body(tables: Tables, config: PairConfig, context: Context) -> Out:
    """The pairs: `id`, `parent_id` (the chosen row), `COLUMNS`, and `margin` where the section asks for one.

    What guard, lengths and cap leave out, and replies that cannot be read, are counted in the notes.
    """
    clear = config.margin is None
    sides = _on_sides(tables.rows, config)
    fit = sides.filter("readable").drop("readable")
    rows = different(fit, across_models=config.across_models, clear=clear)
    at_least = None if config.margin is None else config.margin.at_least
    found = candidates(rows, across_models=config.across_models, at_least=at_least)
    may = found if config.guard is None else found.filter(unguarded(found, rows, config.guard))
    guarded = found.height - may.height
    if config.lengths is not None and config.lengths.ratio is not None:
        may = may.filter(alike(may, rows, config.lengths.ratio))
    made_of = may.select("chosen_id", "rejected_id").iter_rows()
    ids = [content_id(["pair", context.name, one, other]) for one, other in made_of]
    may = may.with_columns(pl.Series("id", ids, dtype=pl.String))
    seed = f"{context.name}:{context.seed}"
    pairs = taken(may, first=config.first, once=config.once, cap=config.cap, seed=seed)
    if config.max_pairs is not None:
        drawn = pairs.with_columns(chance(f"max_pairs:{seed}", pairs["id"]).alias("draw"))
        pairs = drawn.sort("draw", "id").head(config.max_pairs).drop("draw")
    if config.lengths is not None and config.lengths.balance:
        pairs = balanced(pairs, rows, seed)
    notes = {"unreadable": sides.height - fit.height}
    notes |= {"guarded": guarded, "left_out": found.height - guarded - pairs.height}
    for side in SIDES:
        mine = rows.select(pl.col("text").alias(side), pl.col("model").alias(f"{side}_model"), id=pl.col("id"))
        pairs = pairs.join(mine, left_on=f"{side}_id", right_on="id", how="left", validate="m:1")
    notes = {name: count for name, count in notes.items() if count}
    return Out(pairs.select("id", *_gives(config), parent_id="chosen_id"), notes=notes)


def _on_sides(rows: pl.DataFrame, config: PairConfig) -> pl.DataFrame:
    """The rows that can be on a side, with what the rule reads."""
    read_as = ("text", "model", "end", "final", "value")
    named = {name: pl.col(f"_{name}") for name in read_as if f"_{name}" in rows.columns}
    if "_thinking" in rows.columns:
        named["text"] = whole()
    chosen, rejected = (
        pl.lit(True) if text is None else Condition(text).evaluate(rows).fill_null(False)
        for text in (config.chosen, config.rejected)
    )
    there = pl.col("text").str.strip_chars().fill_null("") != ""
    ended = pl.lit(True) if config.truncated else pl.col("end").fill_null("stop") != "length"
    known = {"chosen": chosen, "rejected": rejected, "readable": pl.lit(True) if config.unreadable else readable(rows)}
    facts = rows.select("id", "sample_id", "parent_id", **named, **known)
    return facts.filter(there & ended & (pl.col("chosen") | pl.col("rejected")))


def _gives(config: PairConfig) -> dict[str, pl.DataType]:
    return COLUMNS | ({"margin": pl.Float64()} if config.margin is not None else {})


STEP = StepType(
    name="pair",
    summary="makes pairs of a preferred row and one that is not",
    version=3,
    config=PairConfig,
    reads=reads,
    gives=lambda config, known: Gives(_gives(config), makes="pair"),
    body=body,
    scope=lambda config: (
        "sample" if config.max_pairs is None and not (config.lengths and config.lengths.balance) else "all"
    ),
    fan=lambda config: config.cap,
)

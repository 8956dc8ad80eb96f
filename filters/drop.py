"""The step `drop`: rows that meet a condition go, under the name of the cause and with what decided."""

from typing import Annotated

import polars as pl
from polars import selectors as cs
from pydantic import Field, StringConstraints

from filters.sql.expression import Condition, ConditionText
from schemas.split import DROPPED
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, reads_of

Cause = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]

LONGEST_EVIDENCE = 200
"""Characters of a text that are kept as evidence."""


class DropConfig(StepConfig):
    """Why rows are dropped."""

    if_: dict[Cause, ConditionText] = Field(
        alias="if", min_length=1, description="cause: an SQL condition; the first that is true drops the row"
    )
    shows: tuple[str, ...] = Field(
        default=(), description="columns that are kept as evidence beside those of the conditions, such as both answers"
    )

    @property
    def conditions(self) -> dict[str, Condition]:
        """The conditions by their causes, in the order in which they are tried."""
        return {cause: Condition(text) for cause, text in self.if_.items()}


def reads(config: DropConfig, known: Known) -> Reads:
    """The columns of the conditions, and those to show."""
    decide = {ref for condition in config.conditions.values() for ref in condition.references}
    return Reads(reads_of(decide | {tuple(name.split(".")) for name in config.shows}))


def gives(config: DropConfig, known: Known) -> Gives:
    """Nothing. Raises ValueError where a condition is none over the columns that there are."""
    for condition in config.conditions.values():
        condition.type(known.types(config.of or ()))
    return Gives()


def body(tables: Tables, config: DropConfig, context: Context) -> Out:
    """The rows of which a condition is true are dropped; its columns, and those of `shows`, are the evidence, long texts by
    their beginning.

    A row of which none is true and one is null, because evidence is missing, is kept; `notes` counts them as `undecided`.
    """
    rows, dropped = tables.rows, list[pl.DataFrame]()
    undecided = pl.repeat(False, rows.height, eager=True)
    for cause, condition in config.conditions.items():
        verdict = condition.evaluate(rows)
        gone = rows.filter(verdict.fill_null(False))
        reason = pl.lit(f"{context.name}:{cause}").alias("reason")
        dropped.append(
            gone.select("id", reason, _evidence(gone, condition, config.shows).alias("evidence")).cast(DROPPED)
        )
        kept = ~verdict.fill_null(False)
        rows, undecided = rows.filter(kept), (undecided | verdict.is_null()).filter(kept)
    count = int(undecided.sum())
    return Out(drops=pl.concat(dropped).sort("id"), notes={"undecided": count} if count else {})


def _evidence(rows: pl.DataFrame, condition: Condition, shows: tuple[str, ...]) -> pl.Expr:
    """The columns of a condition, and those to show, as JSON."""
    names = sorted({*(".".join(reference) for reference in condition.references), *shows})
    if not names:
        return pl.lit("{}")
    shown = rows.select(names)
    shown = shown.with_columns(cs.binary().bin.encode("hex")).with_columns(cs.string().str.head(LONGEST_EVIDENCE))
    return pl.lit(shown.to_struct().struct.json_encode())


STEP = StepType(
    name="drop",
    summary="drops rows that meet a condition, the first that is true in their order",
    version=1,
    config=DropConfig,
    reads=reads,
    gives=gives,
    body=body,
)

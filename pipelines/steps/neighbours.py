"""Neighbours: each sample gets texts of the others that are most like it, for a prompt that shows them as examples.

RMR (arXiv 2405.20834, section 3) retrieves, by the question and the image, solved questions that are like the one asked.
"""

from typing import Self

import polars as pl
from pydantic import Field, model_validator

from filters.select.nearest import nearest
from filters.sql.expression import ColumnName
from pipelines.steps.row_vectors import COLUMNS, VectorsConfig, row_vectors
from pipelines.steps.set_context import build_of
from pipelines.steps.vectors import encoder_facts
from schemas.sample import SAMPLE
from schemas.step import Context, Gives, Known, Out, Read, Reads, StepConfig, StepType, Tables, read

SHOWN = tuple(name for name in COLUMNS if name != "answer")
"""What is compared. No gold is: what comes of this step would count as written by a model that saw it."""

_TEXT = "text:"
"""Before the name of a column whose texts are given, which may be one that is compared too."""


class NeighboursConfig(StepConfig, VectorsConfig):
    """What makes two samples alike, how many neighbours one gets, and what it gets of them."""

    k: int = Field(default=1, ge=1, description="how many neighbours at most")
    gives: dict[ColumnName, str] = Field(
        min_length=1,
        description="columns, each the list of what the neighbours have in a text column, the nearest first",
    )

    @model_validator(mode="after")
    def _compares(self) -> Self:
        if self.text is None and self.image is None:
            raise ValueError("samples are compared by vectors, so name an encoder in `text` or `image`")
        return self


def _reads(config: NeighboursConfig, known: Known) -> Reads:
    compared = {name: read(name, SAMPLE[name]) for name in (*SHOWN, "group_id")}
    texts = {_TEXT + name: Read(tuple(name.split(".")), pl.String(), text=True) for name in config.gives.values()}
    return Reads(compared | texts)


def _body(tables: Tables, config: NeighboursConfig, context: Context) -> Out:
    """Columns of `config.gives`, lists of one length each; empty where no other sample is like this one.

    Who has no text in one of the columns is nobody's neighbour, and nobody is one of its own group's.
    """
    texts = {column: pl.col(_TEXT + name) for column, name in config.gives.items()}
    rows = tables.rows.with_columns(
        answer=pl.lit(None, SAMPLE["answer"]),
        group=pl.col("group_id").fill_null(pl.col("id")),
        offered=pl.all_horizontal(text.is_not_null() for text in texts.values()),
    )
    vectors = row_vectors(build_of(context), rows.select("id", *COLUMNS), config)
    found = nearest(rows.select("id", "group", "offered"), vectors, config.k)
    pairs = found.explode("nearest", empty_as_null=False).rename({"nearest": "other"})
    shown = pairs.join(rows.select(other="id", **texts), on="other", how="left", maintain_order="left")
    lists = shown.group_by("id", maintain_order=True).agg(pl.col(*texts))
    made = found.select("id").join(lists, on="id", how="left", maintain_order="left")
    return Out(made.with_columns(pl.col(column).fill_null([]) for column in texts))


STEP = StepType(
    name="neighbours",
    summary="gives each sample texts of the others that are most like it",
    version=1,
    config=NeighboursConfig,
    reads=_reads,
    gives=lambda config, known: Gives(dict.fromkeys(config.gives, pl.List(pl.String()))),
    body=_body,
    of="sample",
    scope=lambda config: "all",
    facts=encoder_facts,
)

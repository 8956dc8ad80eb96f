"""The step `diversity`: how differently a model's replies to one question go about it (`filters.select.diversity`).

MMR1 (arXiv 2509.21268) weighs it beside the variance of the outcomes; the rule `mmr1_vas` of `select` reads it.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from filters.children import children_of
from filters.select.diversity import COLUMNS, diversity
from schemas.step import Beside, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

UNIT = "rollout"


class DiversityConfig(StepConfig):
    """Whose replies are compared, and how."""

    measure: Literal["distinct_3", "self_bleu_123", "edit_distance", "edit_words"] = Field(
        default="distinct_3",
        description="how texts are compared; 0 is all the same, but for edit_words 1 all different",
    )
    model: str | None = Field(default=None, description="compare this model's replies; null: those of all")

    @property
    def given(self) -> str:
        """The name of the column that it gives."""
        return COLUMNS[self.measure]


def diversities(rows: pl.DataFrame, replies: pl.DataFrame, config: DiversityConfig) -> pl.DataFrame:
    """`id` and the measure's column (Float64) of `rows` (`id`), from replies with `model, index, text` and their ids.

    Null where a row has no reply. Replies are compared in order of `index`, then of `id`.
    """
    own = children_of(rows, replies)
    own = own if config.model is None else own.filter(model=config.model)
    ordered = own.sort("index", "id").with_columns(index=pl.int_range(pl.len(), dtype=pl.Int32))
    found = diversity(ordered.select("index", "text", id="owner"), config.measure)
    return rows.select("id").join(found, on="id", how="left", maintain_order="left")


def _over(config: DiversityConfig, known: Known) -> str:
    return known.parent(known.unit(config.of or UNIT))


def _reads(config: DiversityConfig, known: Known) -> Reads:
    columns = {"text": pl.String(), "index": pl.Int32(), "model": pl.String()}
    reads = {name: read(name, dtype, optional=name != "text") for name, dtype in columns.items()}
    return Reads(beside={"replies": Beside(config.of or UNIT, reads, dropped=True)})


def _body(tables: Tables, config: DiversityConfig, context: Context) -> Out:
    return Out(diversities(tables.rows, tables.beside["replies"], config))


STEP = StepType(
    name="diversity",
    summary="measures how differently a model's replies go about one question",
    version=1,
    config=DiversityConfig,
    reads=_reads,
    gives=lambda config, known: Gives({config.given: pl.Float64()}),
    body=_body,
    of=UNIT,
    over=_over,
    scope=lambda config: "sample",
)

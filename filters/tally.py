"""The step `tally`: columns of a row that count what was made from it, such as how many of its traces are right."""

import polars as pl
from pydantic import Field, model_validator

from filters.children import children_of
from filters.sql.aggregate import Aggregate, AggregateText
from filters.sql.expression import ColumnName
from filters.sql.own import beyond_own, with_own
from schemas.step import Beside, Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables


class TallyConfig(StepConfig):
    """What is counted over which rows, and for which."""

    to: str | None = Field(
        default=None, description="the unit whose rows get the columns; null: that which the counted rows are made from"
    )
    gives: dict[ColumnName, AggregateText] = Field(
        min_length=1, description="column: an SQL aggregate, such as `count(*) FILTER (correct)`"
    )

    @model_validator(mode="after")
    def _counts_something(self) -> "TallyConfig":
        if self.of is None:
            raise ValueError("name the rows that are counted: `of`, a unit or a step, or several steps")
        return self

    @property
    def counted(self) -> str | tuple[str, ...]:
        """The unit or steps whose rows are counted."""
        return self.of or ()

    @property
    def aggregates(self) -> dict[str, Aggregate]:
        """The aggregates by the columns that they give."""
        return {column: Aggregate(text) for column, text in self.gives.items()}


def over(config: TallyConfig, known: Known) -> str:
    """The unit whose rows get the columns. Raises ValueError where that is the unit that is counted."""
    unit = known.unit(config.counted)
    to = config.to or known.parent(unit)
    if to == unit:
        raise ValueError(f"it counts {unit} rows into {to} rows; `to` is a unit that they are made from")
    return to


def reads(config: TallyConfig, known: Known) -> Reads:
    """The columns of the aggregates, of the counted rows, whether something dropped them or not."""
    references = {ref for aggregate in config.aggregates.values() for ref in aggregate.references}
    return Reads(beside={"counted": Beside(config.counted, beyond_own(references), dropped=True)})


def gives(config: TallyConfig, known: Known) -> Gives:
    """The columns with their types. Raises ValueError where an aggregate has none over the columns that there are."""
    types = with_own(known.types(config.counted))
    return Gives({column: aggregate.type(types) for column, aggregate in config.aggregates.items()})


def body(tables: Tables, config: TallyConfig, context: Context) -> Out:
    """`id` and the columns of every row. A row of which nothing was made counts 0, and is null where SQL gives null.

    Floats are added in the order of the ids, so the same rows give the same value to the last bit.
    """
    counted = children_of(tables.rows, tables.beside["counted"])
    out = tables.rows.select("id")
    childless = ~pl.col("id").is_in(counted["owner"].implode())
    for column, aggregate in config.aggregates.items():
        out = out.join(_column(counted, column, aggregate), on="id", how="left", maintain_order="left")
        nothing = pl.lit(aggregate.of_nothing(counted.schema), dtype=out.schema[column])
        out = out.with_columns(pl.when(childless).then(nothing).otherwise(column).alias(column))
    return Out(out)


def _column(counted: pl.DataFrame, column: str, aggregate: Aggregate) -> pl.DataFrame:
    return aggregate.evaluate(counted, by="owner").rename({"owner": "id", "value": column})


STEP = StepType(
    name="tally",
    summary="counts what was made from a row, dropped or not",
    version=1,
    config=TallyConfig,
    reads=reads,
    gives=gives,
    body=body,
    over=over,
    scope=lambda config: "sample",
)

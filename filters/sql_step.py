"""The step `sql`: what no step type of its own says, as expressions over rows or as a SELECT that makes rows."""

from typing import Annotated, Self

import polars as pl
from pydantic import Field, StringConstraints, model_validator

from filters.sql.expression import ColumnName, Expression
from filters.sql.own import beyond_own, with_own
from filters.sql.select import ROWS, Select, has_window
from schemas.errors import StepError
from schemas.ids import content_id
from schemas.step import (
    Beside,
    Context,
    Gives,
    Known,
    Out,
    Reads,
    Scope,
    StepConfig,
    StepType,
    Tables,
)

TableName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$", max_length=60)]


class SqlConfig(StepConfig):
    """Columns of the rows (`gives`), or new rows (`makes` and `select`)."""

    gives: dict[ColumnName, str] = Field(
        default_factory=dict,
        description="column: an SQL expression over the row; with windows, over the rows of its sample",
    )
    makes: str | None = Field(default=None, description="the unit of the rows that `select` makes")
    select: str | None = Field(
        default=None, description="SELECT … FROM rows; it gives `parent_id`, the id of the row that each row comes from"
    )
    with_: dict[TableName, str | tuple[str, ...]] = Field(
        default_factory=dict, alias="with", description="table of `select`: the unit or the steps whose rows it holds"
    )
    scope: Scope | None = Field(
        default=None,
        description="what is computed by itself: null, rows or those of a sample, as the SQL needs; `all` must be written",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.gives) == bool(self.select) or (self.select is None) != (self.makes is None):
            raise ValueError("write `gives`, or `makes` and `select`")
        if self.with_ and not self.select:
            raise ValueError("`with` names tables of `select`")
        if ROWS in self.with_:
            raise ValueError(f"`with` cannot name {ROWS}, the rows that the step works on")
        if self.query is None:
            if self.scope not in {None, "row"}:
                raise ValueError(f"scope {self.scope} is not needed: each expression reads its own row only")
        else:
            _check_scope(self.query, self.scope)
            _check_columns(self)
        return self

    @property
    def expressions(self) -> dict[str, Expression]:
        """The columns as expressions, each over its own row; none where one of them looks at other rows."""
        looks = any(map(has_window, self.gives.values()))
        return {} if looks else {column: Expression(text) for column, text in self.gives.items()}

    @property
    def query(self) -> Select | None:
        """The SELECT, where there is need of one."""
        if self.select is not None:
            return Select(self.select, frozenset(self.with_))
        return None if self.expressions else Select.of_columns(self.gives)


def _check_scope(query: Select, scope: Scope | None) -> None:
    if query.wide and scope != "all":
        raise query.error(f"{query.wide[0]}, or say `scope: all`")
    if query.crosses and scope == "row":
        raise query.error(f"{query.crosses[0]}, which scope row does not hold; leave out `scope`")


def _check_columns(config: SqlConfig) -> None:
    query = config.query
    if query is None or config.select is None:
        return
    if "parent_id" not in query.columns:
        raise query.error("does not give parent_id, the id of the row that each row comes from; add `id AS parent_id`")
    if own := sorted({"id", "sample_id", "made_by"} & set(query.columns)):
        raise query.error(f"gives {own[0]}, which each row gets by itself; leave it out or give it another name")
    if unread := sorted(config.with_.keys() - query.reads.keys()):
        raise query.error(f"does not read {unread[0]}, which `with` names")


def reads(config: SqlConfig, known: Known) -> Reads:
    """The columns of the SQL, of the rows and of the tables beside them."""
    query = config.query
    if query is None:
        return Reads(beyond_own({ref for e in config.expressions.values() for ref in e.references}))
    beside = {table: Beside(of, beyond_own(query.reads[table])) for table, of in config.with_.items()}
    return Reads(beyond_own(query.reads[ROWS]), beside)


def gives(config: SqlConfig, known: Known) -> Gives:
    """The columns with their types. Raises ValueError where the SQL has none over the columns that there are."""
    of = config.of or ()
    query = config.query
    if query is None:
        rows = with_own(known.types(of))
        columns = {column: e.type(rows) for column, e in config.expressions.items()}
        return Gives(columns, replaces=frozenset(columns))
    sources = {ROWS: of, **config.with_}
    found = query.type({table: with_own(known.types(sources[table])) for table in query.reads})
    if config.makes is None:
        found.pop("id")
        return Gives(found, replaces=frozenset(found))
    if found.pop("parent_id") != pl.String():
        raise query.error("gives a parent_id that is no id")
    return Gives(found, makes=config.makes)


def body(tables: Tables, config: SqlConfig, context: Context) -> Out:
    """The columns of every row, or the rows that the SELECT makes.

    A made row's id comes from the step's name, its `parent_id` and what it holds. Raises StepError where two are the same,
    where one has no parent, and where the SQL fails.
    """
    query = config.query
    if query is None:
        columns = {column: e.evaluate(tables.rows) for column, e in config.expressions.items()}
        return Out(tables.rows.select("id").with_columns(**columns))
    try:
        found = query.run({ROWS: tables.rows, **tables.beside})
    except ValueError as error:
        raise StepError(f"Step '{context.name}': {error}.") from None
    if config.makes is None:
        return Out(tables.rows.select("id").join(found, on="id", how="left", maintain_order="left"))
    return Out(_made(found, context.name))


def _made(found: pl.DataFrame, name: str) -> pl.DataFrame:
    if found["parent_id"].null_count():
        raise StepError(
            f"Step '{name}': {found['parent_id'].null_count()} of the rows that it makes have no parent_id; "
            "leave them out with WHERE, or take the id from a table that always has one."
        )
    cells = found.drop("parent_id").to_struct().struct.json_encode() if found.width > 1 else [""] * found.height
    ids = [
        content_id({"step": name, "of": parent, "row": cell})
        for parent, cell in zip(found["parent_id"], cells, strict=True)
    ]
    made = found.with_columns(pl.Series("id", ids, dtype=pl.String))
    if (twice := made.filter(pl.col("id").is_duplicated())).height:
        raise StepError(
            f"Step '{name}': it makes {twice.height} rows that are not the only ones of their kind, such as of "
            f"{twice['parent_id'].sort()[0]}; add a column that tells them apart, such as their place, or DISTINCT."
        )
    return made.sort("id")


STEP = StepType(
    name="sql",
    summary="columns by SQL expressions, or rows by a SELECT",
    version=1,
    config=SqlConfig,
    reads=reads,
    gives=gives,
    body=body,
    scope=lambda config: config.scope or (config.query.scope if config.query else "row"),
)

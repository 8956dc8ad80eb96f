"""Expressions and conditions over the columns of a row: parsed with the recipe, typed by the compiler, run on tables."""

from collections.abc import Mapping
from typing import Annotated

import polars as pl
from pydantic import AfterValidator, StringConstraints

from filters.sql import parse
from filters.sql.engine import run
from filters.sql.parsed import Parsed, checked
from filters.sql.pure import check
from schemas.step import Reference


class Expression(Parsed):
    """An SQL expression over one row.

    Raises ValueError, one sentence, for what is no single expression, for a subquery, a window, an aggregate or a
    pattern of columns, and for functions that read more than the row or give another value next time.
    """

    def type(self, schema: Mapping[str, pl.DataType]) -> pl.DataType:
        """The type of its values over columns of these types, by dotted name.

        Raises ValueError for a column that is not there, with the nearest name, for what DuckDB refuses, and for what fails
        where all columns are null, such as `'k' > 1`: that is the SQL's fault, and no row's.
        """
        nulls = pl.DataFrame(schema={name: schema[name] for name in self._names(schema)}).clear(1)
        return self._evaluate(nulls, 1, lenient=False).dtype

    def evaluate(self, frame: pl.DataFrame) -> pl.Series:
        """Its value for each row, in the order of the rows; columns are named by dotted reference, `difficulty.k`.

        Null where the values of a row make it fail, as a cast of `n/a` to a number does: such a row is undecided.
        """
        return self._evaluate(frame.select(self._names(frame.schema)), frame.height)

    def _evaluate(self, frame: pl.DataFrame, height: int, lenient: bool = True) -> pl.Series:
        if self._tree["class"] == "COLUMN_REF":
            return frame.to_series().alias("value")
        rows = frame if frame.width else pl.select(pl.repeat(True, height).alias("row"))
        return self._run(lambda sql: run(sql, {"rows": rows}, strict=not lenient), lenient).to_series()

    def _read(self, text: str) -> frozenset[Reference]:
        self._tree = parse.parse(text)
        check(self._tree)
        self._named = parse.by_dotted_name(self._tree)
        return parse.references(self._tree)

    def _write(self, lenient: bool) -> str:
        return f"SELECT {parse.written(parse.tried(self._named) if lenient else self._named)} AS value FROM rows"


class Condition(Expression):
    """An expression that is true, false or, where the evidence is missing, null."""

    def type(self, schema: Mapping[str, pl.DataType]) -> pl.DataType:
        """Boolean. Raises ValueError for what gives anything else, as `type` of an expression does otherwise."""
        return super().type(schema)

    def evaluate(self, frame: pl.DataFrame) -> pl.Series:
        """True, false or null for each row, in the order of the rows."""
        return super().evaluate(frame)

    def _evaluate(self, frame: pl.DataFrame, height: int, lenient: bool = True) -> pl.Series:
        values = super()._evaluate(frame, height, lenient)
        if values.dtype != pl.Boolean():
            raise self.error(f"is no condition: it gives {values.dtype}; compare it with something")
        return values


ColumnName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=60)]
"""A name that SQL reads without quotes."""

ConditionText = Annotated[str, AfterValidator(checked(Condition))]
"""A text that is a condition. That it gives true or false is known where the types of its columns are."""

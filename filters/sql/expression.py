"""Expressions and conditions over the columns of a row: parsed with the recipe, typed by the compiler, run on tables."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any

import polars as pl
from pydantic import AfterValidator

from filters.sql import parse
from filters.sql.engine import run, words
from filters.sql.pure import check
from schemas.errors import nearest
from schemas.step import Reference


class Expression:
    """An SQL expression over one row. Equal text is an equal expression.

    `references` are the columns that it reads, cut at their dots. A field of a struct is `(answer).kind`, because
    `answer.kind` is the column that a step named `answer` gives.

    Raises ValueError, one sentence, for what is no single expression, for a subquery, a window, an aggregate or a
    pattern of columns, and for functions that read more than the row or give another value next time.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        try:
            self._tree = parse.parse(text)
            check(self._tree)
            self.references: frozenset[Reference] = parse.references(self._tree)
            self._named = parse.by_dotted_name(self._tree)
        except RecursionError:
            raise self.error("is nested too deeply") from None
        except ValueError as error:
            raise self.error(str(error)) from None

    def type(self, schema: Mapping[str, pl.DataType]) -> pl.DataType:
        """The type of its values over columns of these types, by dotted name.

        Raises ValueError for a column that is not there, with the nearest name, and for what DuckDB refuses.
        """
        return self._evaluate(pl.DataFrame(schema={name: schema[name] for name in self._names(schema)})).dtype

    def evaluate(self, frame: pl.DataFrame) -> pl.Series:
        """Its value for each row, in the order of the rows; columns are named by dotted reference, `difficulty.k`.

        Null where the values of a row make it fail, as a cast of `n/a` to a number does: such a row is undecided.
        """
        return self._evaluate(frame.select(self._names(frame.schema)), frame.height)

    def _evaluate(self, frame: pl.DataFrame, height: int = 0) -> pl.Series:
        if self._tree["class"] == "COLUMN_REF":
            return frame.to_series().alias("value")
        if not frame.width:
            frame = pl.select(pl.repeat(True, height).alias("row"))
        return self._run(lambda sql: run(f"SELECT {sql} AS value FROM rows", {"rows": frame})).to_series()

    def _run(self, query: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
        """What `query` makes of the SQL, or else of the SQL in which a row that fails has no value."""
        import duckdb

        try:
            try:
                return query(self._sql)
            except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException) as error:
                try:
                    return query(self._lenient)
                except duckdb.Error:
                    raise error from None
        except duckdb.OutOfMemoryException:
            raise self.error("needs more memory than an expression gets") from None
        except (duckdb.Error, ValueError) as error:
            raise self.error(words(error)) from None

    @cached_property
    def _sql(self) -> str:
        return parse.written(self._named)

    @cached_property
    def _lenient(self) -> str:
        return parse.written(parse.tried(self._named))

    def _names(self, schema: Mapping[str, Any]) -> list[str]:
        names = sorted(".".join(reference) for reference in self.references)
        for name in names:
            if name not in schema:
                first, _, rest = name.partition(".")
                hint = (
                    f" A field of {first} is ({first}).{rest}." if rest and first in schema else nearest(name, schema)
                )
                raise self.error(f"reads {name}, which nothing gives.{hint}")
        if len({name.lower() for name in names}) < len(names):
            raise self.error("reads two columns whose names differ in capitals only, which SQL takes for one")
        return names

    def error(self, end: str) -> ValueError:
        """A ValueError that starts with the text."""
        shown = self.text if len(self.text) <= 200 else self.text[:200] + "…"
        return ValueError(f"`{shown}` {end}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.text))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.text,)


class Condition(Expression):
    """An expression that is true, false or, where the evidence is missing, null."""

    def type(self, schema: Mapping[str, pl.DataType]) -> pl.DataType:
        """Boolean. Raises ValueError for what gives anything else, as `type` of an expression does otherwise."""
        return super().type(schema)

    def evaluate(self, frame: pl.DataFrame) -> pl.Series:
        """True, false or null for each row, in the order of the rows."""
        return super().evaluate(frame)

    def _evaluate(self, frame: pl.DataFrame, height: int = 0) -> pl.Series:
        values = super()._evaluate(frame, height)
        if values.dtype != pl.Boolean():
            raise self.error(f"is no condition: it gives {values.dtype}; compare it with something")
        return values


def _checked(kind: Callable[[str], Expression]) -> Callable[[str], str]:
    def check(text: str) -> str:
        kind(text)
        return text

    return check


ExpressionText = Annotated[str, AfterValidator(_checked(Expression))]
"""A text that is an expression."""

ConditionText = Annotated[str, AfterValidator(_checked(Condition))]
"""A text that is a condition. That it gives true or false is known where the types of its columns are."""

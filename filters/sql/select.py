"""A whole SELECT over the rows of a step and of others beside them."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from filters.sql import parse, rules
from filters.sql.engine import run, too_much, words
from filters.sql.functions import is_aggregate
from filters.sql.parse import Node, walk
from filters.sql.parsed import shown
from filters.sql.pure import check
from filters.sql.resolve import Resolver
from filters.sql.rules import unnests
from schemas.errors import nearest
from schemas.step import Reference, Scope

ROWS = "rows"


class Select:
    """A SELECT from the table `rows` and from `beside`, tables by name.

    `reads` are the columns of each table, cut at their dots; `columns` what it gives, in order. Where tables meet, a column
    is `table.column`. Raises ValueError, one sentence, for anything but one SELECT, other tables, functions that an
    expression may not call either, subqueries in expressions, and what depends on the order of rows.
    """

    def __init__(self, text: str, beside: frozenset[str] = frozenset()) -> None:
        self.text = text.strip()
        try:
            self._read(parse.statement(text), beside)
        except RecursionError:
            raise self.error("is nested too deeply") from None
        except ValueError as error:
            raise self.error(str(error)) from None

    @classmethod
    def of_columns(cls, gives: Mapping[str, str]) -> "Select":
        """The SELECT of `id` and of expressions over rows, which may hold windows, by the columns that they give."""
        for column, text in gives.items():
            try:
                _check_column(parse.parse(text))
            except ValueError as error:
                raise ValueError(f"{column}: `{text}` {error}") from None
        items = ", ".join(f'{parse.written(parse.parse(text))} AS "{column}"' for column, text in gives.items())
        return cls(f"SELECT id, {items} FROM rows")

    @property
    def scope(self) -> Scope:
        """What may be computed by itself: rows, the rows of a sample, or only all rows at once."""
        return "all" if self.wide else "sample" if self.crosses else "row"

    def type(self, schemas: Mapping[str, Mapping[str, pl.DataType]]) -> dict[str, pl.DataType]:
        """The types of its columns over tables with columns of these types, by dotted names. Raises ValueError."""
        for table, name in sorted(self._renamed):
            if name in schemas[table]:
                raise self.error(str(rules.ambiguous(name)))
        empty = {
            table: pl.DataFrame(schema={name: schemas[table][name] for name in self._names(table, schemas[table])})
            for table in self.reads
        }
        return dict(self.run(empty).schema)

    def run(self, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Its rows, in no order that means anything. Raises ValueError where DuckDB fails."""
        import duckdb

        needed = {table: tables[table].select(self._names(table, tables[table].schema)) for table in self.reads}
        held = {table: frame if frame.width else _nameless(tables[table]) for table, frame in needed.items()}
        try:
            return run(self._sql, held)
        except duckdb.OutOfMemoryException as error:
            raise self.error(too_much(error)) from None
        except duckdb.ConversionException as error:
            raise self.error(f"{words(error)}; TRY_CAST gives null there") from None
        except (duckdb.Error, ValueError) as error:
            raise self.error(words(error)) from None

    def _read(self, tree: Node, beside: frozenset[str]) -> None:
        query = _plain(tree["statements"][0]["node"])
        check(_without_unnest(query), aggregates=True, windows=True)
        resolver = Resolver(frozenset({ROWS, *beside}))
        node, source = resolver.query(query, {})
        if ROWS not in resolver.reads:
            raise ValueError("does not read from rows, on which the step works")
        self.reads: dict[str, frozenset[Reference]] = {
            table: frozenset(found) for table, found in resolver.reads.items()
        }
        self.columns = source.columns
        self.crosses, self.wide = tuple(resolver.marks.crosses), tuple(resolver.marks.wide)
        self._renamed = frozenset(resolver.renamed)
        self._sql = parse.as_sql({**tree, "statements": [{**tree["statements"][0], "node": node}]})

    def _names(self, table: str, schema: Mapping[str, pl.DataType]) -> list[str]:
        names = sorted(".".join(reference) for reference in self.reads[table])
        for name in names:
            if name not in schema:
                raise self.error(f"reads {name} of {table}, which nothing gives.{nearest(name, schema)}")
        if len({name.lower() for name in names}) < len(names):
            raise self.error("reads two columns whose names differ in capitals only, which SQL takes for one")
        return names

    def error(self, end: str) -> ValueError:
        """A ValueError that starts with the text."""
        return ValueError(f"`{shown(self.text)}` {end}")


def has_window(text: str) -> bool:
    """Whether an expression looks at other rows. Raises ValueError where it cannot be parsed."""
    try:
        return any(part["class"] == "WINDOW" for part in walk(parse.parse(text)))
    except ValueError as error:
        raise ValueError(f"`{shown(text)}` {error}") from None


def _check_column(node: Node) -> None:
    for part in walk(node):
        if part["class"] == "FUNCTION" and part["function_name"].lower() == "unnest":
            raise ValueError("calls unnest(), which makes several rows of one; that needs `makes` and `select`")
        if part["class"] == "FUNCTION" and is_aggregate(part["function_name"]):
            raise ValueError(f"calls {part['function_name']}() over no window; add OVER (PARTITION BY sample_id)")


def _plain(tree: Any) -> Any:
    """The tree without the places in the text, so that equal expressions are equal."""
    if isinstance(tree, list):
        return [_plain(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    return {key: 0 if key == "query_location" else _plain(value) for key, value in tree.items()}


def _without_unnest(tree: Any) -> Any:
    """The tree in which the items of a SELECT that make several rows of one are the list that they make them of."""
    if isinstance(tree, list):
        return [_without_unnest(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    tree = {key: _without_unnest(value) for key, value in tree.items()}
    if "select_list" in tree:
        tree["select_list"] = [item["children"] if unnests([item]) else item for item in tree["select_list"]]
    return tree


def _nameless(table: pl.DataFrame) -> pl.DataFrame:
    """As many rows, of which nothing is read."""
    return pl.select(pl.repeat(True, table.height).alias(" row"))

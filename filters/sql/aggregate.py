"""Aggregates over the rows of a group, of which the same rows give the same value to the last bit.

A sum of floats depends on the order in which they are added, and `first` on that of the rows. Here both are that of the
ids: an aggregate that adds floats goes over a list of its values in order of id, one by one (`list_aggregate`), whatever
other groups there are; one that depends on the order of rows has `id` as its last key.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import polars as pl
from pydantic import AfterValidator

from filters.sql import parse
from filters.sql.engine import quoted, run
from filters.sql.functions import is_aggregate
from filters.sql.ordered import EXACT, SERIAL, known_aggregate, ordered, over_list
from filters.sql.parse import Node, walk
from filters.sql.parsed import Parsed, checked
from filters.sql.pure import check
from schemas.step import Reference

_GROUP, _ID = " group", " id"
"""Columns beside those of the SQL, by names that nobody writes."""


class Aggregate(Parsed):
    """An SQL expression over aggregates of the rows of a group, such as `count(*) FILTER (correct)`.

    Raises ValueError, one sentence, for what an expression may not hold either, for a column that is outside of an
    aggregate, and for aggregates that draw or estimate.
    """

    def type(self, schema: Mapping[str, pl.DataType]) -> pl.DataType:
        """The type of its values over columns of these types, by dotted name. Raises ValueError, as an expression does."""
        return self._of_nothing(schema).dtype

    def of_nothing(self, schema: Mapping[str, pl.DataType]) -> Any:
        """Its value over no rows at all: 0 for a count, null for a sum."""
        return self._of_nothing(schema).item()

    def evaluate(self, frame: pl.DataFrame, by: str) -> pl.DataFrame:
        """`by` and `value` of each group, in order of `by`. `frame` has `id` and the columns by dotted reference.

        A row whose values make an argument of an aggregate fail is left out of it, as null is.
        """
        rows = frame.select(*self._names(frame.schema), pl.col(by).alias(_GROUP), pl.col("id").alias(_ID))
        return self._run(lambda sql: run(sql, {"rows": rows})).rename({_GROUP: by})

    def _of_nothing(self, schema: Mapping[str, pl.DataType]) -> pl.Series:
        kinds = {name: schema[name] for name in self._names(schema)}
        rows = pl.DataFrame(schema={**kinds, _GROUP: pl.String(), _ID: pl.String()})
        # As it is written: what it says of types is then said of the aggregate that was written.
        sql = self._select(self._parts, self._whole).replace(f" GROUP BY {quoted(_GROUP)}", "")
        return self._run(lambda _: run(sql, {"rows": rows}, strict=True), lenient=False)["value"]

    def _read(self, text: str) -> frozenset[Reference]:
        tree = parse.parse(text)
        check(tree, aggregates=True)
        self._parts: list[Node] = []
        self._whole = self._apart(parse.by_dotted_name(tree))
        if not self._parts:
            raise ValueError("counts nothing; it needs an aggregate, such as count(*)")
        own = {f" {number}" for number in range(len(self._parts))}
        if outside := sorted(name for (name,) in parse.references(self._whole) if name not in own):
            raise ValueError(f"reads {outside[0]} of each row; say of which rows, as in max({outside[0]})")
        return parse.references(tree)

    def _apart(self, tree: Any) -> Any:
        """The tree in which each aggregate is a column, named by its place in `_parts`."""
        if isinstance(tree, list):
            return [self._apart(part) for part in tree]
        if not isinstance(tree, dict):
            return tree
        if tree.get("class") == "FUNCTION" and is_aggregate(tree["function_name"]):
            _check_part(tree)
            self._parts.append(tree)
            return {**_REFERENCE, "column_names": [f" {len(self._parts) - 1}"]}
        return {key: self._apart(value) for key, value in tree.items()}

    def _write(self, lenient: bool) -> str:
        parts = [_in_order(_tried(part) if lenient else part) for part in self._parts]
        return self._select(parts, parse.tried(self._whole) if lenient else self._whole)

    def _select(self, parts: Sequence[Node], whole: Node) -> str:
        group = quoted(_GROUP)
        columns = ", ".join(f"{parse.written(part)} AS {quoted(f' {number}')}" for number, part in enumerate(parts))
        inner = f"SELECT max({group}) AS {group}, {columns} FROM rows GROUP BY {group}"
        return f"SELECT {group}, {parse.written(whole)} AS value FROM ({inner}) ORDER BY {group}"


def _check_part(node: Node) -> None:
    name = known_aggregate(node)
    for inner in walk([node["children"], node["filter"], node["order_bys"]]):
        if inner["class"] == "FUNCTION" and is_aggregate(inner["function_name"]):
            raise ValueError(f"calls {inner['function_name']}() within {name}(); an aggregate counts rows, not groups")


def _in_order(node: Node) -> Node:
    """The aggregate, so that it gives the same value for the same rows."""
    name = str(node["function_name"]).lower()
    if name in EXACT or not node["children"]:
        return node
    # Of distinct values there is no row, and so no id: their order is their own.
    last = node["children"][0] if node["distinct"] else {**_REFERENCE, "column_names": [_ID]}
    return (
        over_list(node, last) if name in SERIAL else {**node, "order_bys": ordered(node["order_bys"]["orders"], last)}
    )


def _tried(node: Node) -> Node:
    """The aggregate, in which a row whose values make an argument or the filter fail has none."""
    children = [part if part["class"] == "CONSTANT" else parse.tried(part) for part in node["children"]]
    orders = [{**order, "expression": parse.tried(order["expression"])} for order in node["order_bys"]["orders"]]
    kept = node["filter"] and parse.tried(node["filter"])
    return {**node, "children": children, "filter": kept, "order_bys": {**node["order_bys"], "orders": orders}}


_REFERENCE: Node = {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "query_location": 0}

AggregateText = Annotated[str, AfterValidator(checked(Aggregate))]
"""A text that is an aggregate."""

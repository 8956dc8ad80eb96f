"""Aggregates by what their value depends on, and the SQL in which it depends on the rows alone."""

from collections.abc import Sequence

from filters.sql.parse import Node
from schemas.errors import nearest


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


EXACT = _names(
    "count count_star count_if countif min max bool_and bool_or bit_and bit_or bit_xor median mad quantile quantile_cont "
    "quantile_disc"
)
"""The same in any order of the rows."""

ORDERED = _names("first last any_value arbitrary list array_agg string_agg group_concat listagg")
SERIAL = _names(
    "sum avg mean fsum favg kahan_sum sumkahan product stddev stddev_pop stddev_samp variance var_pop var_samp sem skewness "
    "kurtosis kurtosis_pop entropy mode"
)
"""Add floats, or choose the first of equals."""

_INSTEAD = {
    **dict.fromkeys(("arg_max", "argmax", "max_by"), "first(column ORDER BY other DESC)"),
    **dict.fromkeys(("arg_min", "argmin", "min_by"), "first(column ORDER BY other)"),
    "approx_count_distinct": "count(DISTINCT column)",
    "approx_quantile": "quantile_cont(column, 0.5)",
}


def known_aggregate(node: Node) -> str:
    """The name of an aggregate, in small letters. Raises ValueError, with the end of a sentence, for one that is none of
    those above: it estimates, draws, or depends on the order of rows that are equal in it.
    """
    name = str(node["function_name"]).lower()
    if name not in EXACT | ORDERED | SERIAL:
        hint = f"; use {_INSTEAD[name]}" if name in _INSTEAD else nearest(name, EXACT | ORDERED | SERIAL, 0.7)
        raise ValueError(f"calls {name}(), which is no aggregate of recipes{hint}")
    return name


def ordered(orders: Sequence[Node], last: Node) -> Node:
    """The orders with `last` behind them."""
    return {"type": "ORDER_MODIFIER", "orders": [*orders, order(last)]}


def order(key: Node) -> Node:
    """An order by `key`."""
    return {"type": "ORDER_DEFAULT", "null_order": "ORDER_DEFAULT", "expression": key}


def over_list(node: Node, last: Node) -> Node:
    """An aggregate that adds floats, as one that adds those of a list, in order of `last`, one by one.

    DuckDB's own sum adds what its threads and its blocks of groups come to; `list_aggregate` goes from first to last.
    """
    name = str(node["function_name"]).lower()
    window = node["class"] == "WINDOW"
    listed = {**node, "function_name": "list", "children": node["children"][:1]}
    listed |= {"arg_orders": [order(last)]} if window else {"order_bys": ordered([], last)}
    rest = [_text(name), *node["children"][1:]]
    return {
        **_CALL,
        "alias": node["alias"],
        "function_name": "list_aggregate",
        "children": [{**listed, "alias": ""}, *rest],
    }


def _text(value: str) -> Node:
    constant = {"type": {"id": "VARCHAR", "type_info": None}, "is_null": False, "value": value}
    return {"class": "CONSTANT", "type": "VALUE_CONSTANT", "alias": "", "query_location": 0, "value": constant}


_CALL: Node = {
    "class": "FUNCTION",
    "type": "FUNCTION",
    "query_location": 0,
    "schema": "",
    "catalog": "",
    "filter": None,
    "order_bys": {"type": "ORDER_MODIFIER", "orders": []},
    "distinct": False,
    "is_operator": False,
    "export_state": False,
}

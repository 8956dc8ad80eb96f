"""What an expression of a recipe may hold: what depends on its own row and on nothing else, now or later."""

from filters.sql.functions import is_aggregate, refusal
from filters.sql.parse import Node, walk
from filters.sql.sizes import sized

_CLOCKS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
_HOLDS = {
    "SUBQUERY": "holds a subquery; use list_contains(list, value) for a list, and a step of type sql for other rows",
    "WINDOW": "holds a window, which reads other rows; that is a step of type sql",
    "STAR": "names columns by a pattern; write the names of those that it needs",
    "POSITIONAL_REFERENCE": "names a column by its place; write its name",
    "PARAMETER": "holds a parameter; write the value",
    "DEFAULT": "holds DEFAULT, which means nothing here",
}

_IN_SELECT = {"SUBQUERY": "holds a subquery in an expression; join it, or SEMI JOIN it for IN and EXISTS", "WINDOW": ""}


def check(tree: Node, aggregates: bool = False, windows: bool = False) -> None:
    """Raise ValueError, with the end of a sentence, for what reads other rows or gives another value next time."""
    for node in walk(tree):
        held = {**_HOLDS, **_IN_SELECT} if windows else _HOLDS
        if why := held.get(node["class"]) or volatile(node):
            raise ValueError(why)
        if node["class"] == "LAMBDA" and (inner := sized(node["expr"])):
            raise ValueError(f"calls {inner[0]}() for each item of a list, whose sizes multiply")
        if node["class"] == "FUNCTION" and not aggregates and is_aggregate(node["function_name"]):
            raise ValueError(f"calls {node['function_name']}(), which counts over rows; that is a step of type tally")


def volatile(node: Node) -> str | None:
    """Why one expression of a tree gives another value next time, or reads more than its rows; or None."""
    if node["class"] == "COLUMN_REF" and node["column_names"][0].lower() in _CLOCKS:
        return f"reads {node['column_names'][0]}, which is the clock of the machine"
    return refusal(node) if node["class"] == "FUNCTION" else None

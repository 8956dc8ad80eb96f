"""What a SELECT of a recipe may not do: depend on the order of rows, cross samples unsaid, or make a key of a long text."""

from collections.abc import Iterable, Sequence
from typing import Any

from filters.sql.functions import is_aggregate
from filters.sql.ordered import ORDERED, SERIAL, known_aggregate, ordered, over_list
from filters.sql.parse import Node, walk
from filters.sql.sources import Key, Sources, column, is_sample, key_of
from schemas.errors import nearest

_RANKS = frozenset({"WINDOW_RANK", "WINDOW_RANK_DENSE", "WINDOW_PERCENT_RANK", "WINDOW_CUME_DIST"})
"""Windows in which equal rows have equal values."""

_JOINS = {
    "NATURAL": "joins on the columns that tables happen to share; write ON or USING",
    "ASOF": "joins to the nearest row, of which there may be two; rank them in a window",
    "POSITIONAL": "joins rows by their places; rows are joined by id",
}


class Marks:
    """Where rows meet other rows (`crosses`), and where those may be of other samples (`wide`): ends of sentences."""

    def __init__(self) -> None:
        self.crosses: list[str] = []
        self.wide: list[str] = []

    def join(self, node: Node, condition: Node | None, left: Sources, right: Sources) -> None:
        """A join of some tables with others."""
        if node["ref_type"] in _JOINS:
            raise ValueError(_JOINS[node["ref_type"]])
        equal = [(part["left"], part["right"]) for part in _all_of(condition) if part["type"] == "COMPARE_EQUAL"]
        for part in equal:
            _no_long(part, {**left, **right}, "joins on")
        inside = any(
            (is_sample(a, left) and is_sample(b, right)) or (is_sample(b, left) and is_sample(a, right))
            for a, b in equal
        )
        self._mark("joins rows", None if inside else "joins rows of different samples; join on sample_id too")

    def add(self, node: Node, sources: Sources) -> None:
        """A resolved SELECT."""
        key = key_of(sources)
        groups, items = node["group_expressions"], node["select_list"]
        calls = list(walk([items, node["having"], node["qualify"], node["modifiers"]]))
        if groups:
            _no_long(groups, sources, "groups by")
            inside = any(is_sample(part, sources) for part in groups)
            self._mark("groups rows", None if inside else "groups rows of different samples; group by sample_id too")
        elif any(part["class"] == "FUNCTION" and is_aggregate(part["function_name"]) for part in calls):
            self._mark("counts over rows", "counts over the rows of all samples; group by sample_id")
        for part in calls:
            if part["class"] == "WINDOW":
                self._window(part, sources, _within(key, part["partitions"], sources))
            elif part["class"] == "FUNCTION" and is_aggregate(part["function_name"]):
                _aggregate(part, sources, _within(key, groups, sources))
        if groups:
            found = [column(part, sources) for part in groups]
            key = None if None in found else frozenset(part for part in found if part)
        self._modifiers(node, sources, key)

    def _window(self, node: Node, sources: Sources, key: Key) -> None:
        name = node["function_name"].lower()
        _no_long(
            [*node["partitions"], *(order["expression"] for order in node["orders"])], sources, "makes a window over"
        )
        total = _is_total([*node["orders"], *node["arg_orders"]], sources, key)
        by_place = any(kind in node[end] for kind in ("ROWS", "GROUPS") for end in ("start", "end"))
        exact = node["type"] in _RANKS or (node["type"] == "WINDOW_AGGREGATE" and known_aggregate(node) not in ORDERED)
        if not total and (by_place or node["exclude_clause"] != "NO_OTHER" or not exact):
            raise ValueError(f"calls {name}() over rows in no certain order; {_cure(key)}")
        inside = any(is_sample(part, sources) for part in node["partitions"])
        wide = f"calls {name}() over the rows of different samples; add PARTITION BY sample_id"
        self._mark(f"calls {name}() over rows", None if inside else wide)

    def _modifiers(self, node: Node, sources: Sources, key: Key) -> None:
        orders: Sequence[Node] = ()
        for modifier in node["modifiers"]:
            if modifier["type"] == "ORDER_MODIFIER":
                orders = modifier["orders"]
                _no_long([order["expression"] for order in orders], sources, "orders by")
            elif modifier["type"] == "DISTINCT_MODIFIER":
                targets = modifier["distinct_on_targets"]
                if targets:
                    raise ValueError("takes the first row of equals; rank them with row_number() and QUALIFY")
                _no_long(node["select_list"], sources, "compares")
                inside = any(is_sample(part, sources) for part in node["select_list"])
                self._mark(
                    "compares rows", None if inside else "compares rows of different samples; select sample_id too"
                )
            else:
                if not _is_total(orders, sources, key):
                    raise ValueError(f"takes some of the rows in no certain order; {_cure(key)}")
                self._mark("takes some of the rows", "takes some of the rows of all samples")

    def _mark(self, crosses: str, wide: str | None) -> None:
        self.crosses.append(crosses)
        if wide:
            self.wide.append(wide)


def check_clauses(node: Node) -> None:
    """Raise ValueError for what no SELECT of a recipe holds."""
    if node["sample"]:
        raise ValueError("draws a sample; the step `select` does that")
    if node["aggregate_handling"] != "STANDARD_HANDLING" or len(node["group_sets"]) > 1:
        raise ValueError("groups by ALL or by several sets; write the columns")
    orders = [order["expression"] for part in node["modifiers"] for order in part.get("orders", ())]
    if any(part["class"] == "CONSTANT" for part in (*node["group_expressions"], *orders)):
        raise ValueError("groups or orders by the place of a column; write its name")


def in_order(node: Node) -> Node:
    """The SELECT in which aggregates that add floats add them in the order of their size, and distinct values are sorted."""

    def change(tree: Any) -> Any:
        if isinstance(tree, list):
            return [change(part) for part in tree]
        if not isinstance(tree, dict):
            return tree
        tree = {key: change(value) for key, value in tree.items()}
        calls = tree.get("class") == "WINDOW" or (tree.get("class") == "FUNCTION" and not tree["is_operator"])
        if calls and tree["function_name"].lower() in SERIAL and tree["children"]:
            return over_list(tree, tree["children"][0])
        if tree.get("class") == "FUNCTION" and tree["distinct"] and tree["function_name"].lower() in ORDERED:
            return {**tree, "order_bys": ordered([], tree["children"][0])}
        return tree

    return {key: change(node[key]) if key in _COUNTED else node[key] for key in node}


_COUNTED = frozenset({"select_list", "having", "qualify", "modifiers"})


def using(names: Iterable[str], left: str, right: str) -> Node:
    """USING as the condition that it stands for."""
    place = {"alias": "", "query_location": 0}
    equal = [
        {
            **place,
            "class": "COMPARISON",
            "type": "COMPARE_EQUAL",
            "left": {**place, "class": "COLUMN_REF", "type": "COLUMN_REF", "column_names": [left, name]},
            "right": {**place, "class": "COLUMN_REF", "type": "COLUMN_REF", "column_names": [right, name]},
        }
        for name in names
    ]
    return (
        equal[0] if len(equal) == 1 else {**place, "class": "CONJUNCTION", "type": "CONJUNCTION_AND", "children": equal}
    )


def unnests(items: Iterable[Node]) -> bool:
    """Whether one row may become several."""
    return any(item["class"] == "FUNCTION" and item["function_name"].lower() == "unnest" for item in items)


def no_table(name: str, tables: frozenset[str]) -> ValueError:
    """A table that the step does not have."""
    there = ", ".join(sorted(tables))
    return ValueError(f"reads from {name}; there is {there}, and what `with` names.{nearest(name, tables)}")


def ambiguous(name: str) -> ValueError:
    """A name that a clause may mean in two ways."""
    return ValueError(f"gives the name {name} to a value and reads {name}, which rows have too; give it another name")


def _aggregate(node: Node, sources: Sources, key: Key) -> None:
    name = known_aggregate(node)
    orders = node["order_bys"]["orders"]
    if node["distinct"]:  # Distinct values have an order of their own, see `in_order`.
        _no_long(node["children"], sources, "compares")
    total = node["distinct"] or _is_total(orders, sources, key)
    if name in ORDERED and not total:
        raise ValueError(f"calls {name}() over rows in no certain order; {_cure(key)}")


def _within(key: Key, groups: Iterable[Node], sources: Sources) -> Key:
    """What tells rows apart that are equal in what they are grouped by."""
    return None if key is None else key - {found for node in groups if (found := column(node, sources))}


def _is_total(orders: Sequence[Node], sources: Sources, key: Key) -> bool:
    return key is not None and key <= {column(order["expression"], sources) for order in orders}


def _cure(key: Key) -> str:
    if key is None:
        return "select what tells rows apart, such as their id, in the SELECT within, and order by it"
    return f"add ORDER BY …, {', '.join(f'{alias}.{name}' for alias, name in sorted(key))}"


def _no_long(nodes: Iterable[Node], sources: Sources, verb: str) -> None:
    for node in nodes:
        inner = node["child"] if node["class"] in {"CAST", "COLLATE"} else node
        found = column(inner, sources)
        if found and sources[found[0]].is_long(found[1]):
            raise ValueError(f"{verb} {found[1]}, a long text; use md5({found[1]}), or a column that is short")


def _all_of(condition: Node | None) -> list[Node]:
    if condition is None:
        return []
    if condition["type"] == "CONJUNCTION_AND":
        return [part for child in condition["children"] for part in _all_of(child)]
    return [condition]

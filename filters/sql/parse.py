"""SQL as a tree: DuckDB's own parser, so that what is checked is what runs."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from filters.sql.engine import ask, words
from schemas.step import Reference

Node = dict[str, Any]

LONGEST = 10_000
"""Characters of one expression."""

LAMBDAS = frozenset(
    {"apply", "filter", *(f"{kind}_{verb}" for kind in ("list", "array") for verb in ("transform", "apply", "filter"))}
)
"""Functions of which `x -> …` is a lambda; elsewhere it reads from JSON."""


def statement(text: str, longest: int = LONGEST) -> Node:
    """The tree of one SELECT, as `json_serialize_sql` gives it. Raises ValueError with the end of a sentence."""
    import duckdb

    if len(text) > longest:
        raise ValueError(f"has {len(text):,} characters, and {longest:,} are the most")
    try:
        tree: Node = json.loads(ask("json_serialize_sql", text))
    except duckdb.Error as error:
        raise ValueError(f"cannot be parsed: {words(error)}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if tree["error"]:
        if (count := _count(text)) > 1:
            raise ValueError(f"holds {count} statements; write one")
        why = (
            "it must be a SELECT" if "Only SELECT" in tree["error_message"] else words(Exception(tree["error_message"]))
        )
        raise ValueError(f"cannot be parsed: {why}")
    if len(tree["statements"]) != 1:
        raise ValueError(f"holds {len(tree['statements'])} statements; write one")
    return tree


def _count(text: str) -> int:
    """How many statements a text holds; 0 where it cannot be read."""
    import duckdb

    try:
        return len(duckdb.extract_statements(text))
    except duckdb.Error:
        return 0


@lru_cache(4096)
def parse(text: str) -> Node:
    """The tree of one expression, which nobody changes. Raises ValueError with the end of a sentence."""
    if not text.strip():
        raise ValueError("is empty")
    select = statement(f"SELECT {text}")["statements"][0]["node"]
    if select["type"] != "SELECT_NODE" or select["from_table"]["type"] != "EMPTY" or _clauses(select):
        raise ValueError(
            "is more than an expression; FROM, WHERE, GROUP BY, ORDER BY and their like have no place in it"
        )
    if len(select["select_list"]) != 1:
        raise ValueError(f"holds {len(select['select_list'])} expressions; write one")
    node: Node = select["select_list"][0]
    if node["alias"]:
        raise ValueError(f"gives its value the name {node['alias']!r}; leave out what follows the expression")
    return node


def _clauses(select: Node) -> bool:
    parts = ("where_clause", "group_expressions", "group_sets", "having", "sample", "qualify", "modifiers")
    return any(select[part] for part in parts) or bool(select["cte_map"]["map"])


def walk(tree: Any) -> Iterator[Node]:
    """All expressions of a tree, from the outside in."""
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for value in tree.values():
            yield from walk(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from walk(value)


def columns(tree: Any, change: Callable[[Node], Node], bound: frozenset[str] = frozenset(), called: str = "") -> Any:
    """The tree with `change(node)` for each reference to a column; the parameters of lambdas are none."""
    if isinstance(tree, list):
        return [columns(part, change, bound, called) for part in tree]
    if not isinstance(tree, dict):
        return tree
    if tree.get("class") == "COLUMN_REF":
        return tree if tree["column_names"][0] in bound else change(tree)
    if tree.get("class") == "LAMBDA" and called in LAMBDAS:
        given = {part["column_names"][0] for part in walk(tree["lhs"]) if part["class"] == "COLUMN_REF"}
        return {**tree, "expr": columns(tree["expr"], change, bound | given)}
    name = str(tree["function_name"]).lower() if tree.get("class") == "FUNCTION" else ""
    return {key: columns(value, change, bound, name if key == "children" else "") for key, value in tree.items()}


def references(tree: Any) -> frozenset[Reference]:
    """The columns that a tree reads, cut at their dots."""
    found: set[Reference] = set()

    def note(node: Node) -> Node:
        found.add(tuple(node["column_names"]))
        return node

    columns(tree, note)
    return frozenset(found)


def by_dotted_name(tree: Any) -> Any:
    """The tree over a table whose columns are named by dotted reference, such as `difficulty.k`."""
    return columns(tree, lambda node: {**node, "column_names": [".".join(node["column_names"])]})


def written(node: Mapping[str, Any]) -> str:
    """An expression as SQL."""
    bare = json.loads(_bare())
    bare["statements"][0]["node"]["select_list"] = [node]
    return as_sql(bare).removeprefix("SELECT ")


def as_sql(tree: Node) -> str:
    """The tree of a SELECT as SQL."""
    return str(ask("json_deserialize_sql", json.dumps(tree)))


@cache
def _bare() -> str:
    return str(ask("json_serialize_sql", "SELECT 1"))


def tried(node: Node) -> Node:
    """The expression, null where a row's values make it fail."""
    return {"class": "OPERATOR", "type": "OPERATOR_TRY", "alias": "", "query_location": 0, "children": [node]}

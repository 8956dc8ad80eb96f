"""What a whole SELECT of somebody else may name: the tables that it is given, and functions that only compute.

A locked connection opens no other file. But DuckDB has functions that need none: of version 1.5, `pandas_scan(NULL)` ends
the process with a segmentation fault, `enable_logging(storage = 'file')` aborts it, and `query(text)` runs a text that no
check has seen. So what is not known to be harmless is refused where the SQL is read.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

from filters.sql.functions import SYSTEM
from filters.sql.parse import Node, statement, walk

LONGEST = 100_000
"""Characters of one SELECT."""

TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series", "json_each", "json_tree"})
"""Functions that give a table and read nothing but their arguments."""

ACTING = re.compile(
    r"(enable|disable|verify|force|truncate)_\w+|(pandas|arrow|seq)_scan\w*|python_map_function|query(_table)?|checkpoint"
    r"|json_execute_serialized_sql|add_parquet_key|import_database|copy_database|write_log|nextval|currval|setseed",
    re.IGNORECASE,
)
"""Functions that change the database or its settings, run other SQL, or read memory."""

_NAMED = re.compile(rf"\b({ACTING.pattern})\b[\s\"]*\(", re.IGNORECASE)


def check_reach(text: str, tables: Collection[str]) -> None:
    """Raise ValueError, the end of a sentence that starts with the SQL, where a SELECT names other tables than these and its
    own, or calls a function that does more than compute."""
    tree = statement(text, LONGEST)
    parts = list(_parts(tree))
    named = (entry["key"] for part in parts for entry in (part.get("cte_map") or {"map": ()})["map"])
    own = {name.lower() for name in (*tables, *named)}
    for node in parts:
        if "class" in node or node.get("type") not in ("BASE_TABLE", "TABLE_FUNCTION", "SHOW_REF"):
            continue
        if node["type"] == "BASE_TABLE":
            name, schema = node["table_name"], node["schema_name"]
            if name.lower() not in own or schema not in {"", "main"} or node["catalog_name"] not in {"", "memory"}:
                raise ValueError(f"reads {'.'.join(filter(None, (schema, name)))}, and there is {_listed(tables)} only")
        elif node["type"] == "SHOW_REF":
            raise ValueError("describes tables; it has to read rows")
        elif (called := node["function"]["function_name"].lower()) not in TABLE_FUNCTIONS:
            raise ValueError(f"calls {called}(), which reads more than {_listed(tables)}")
    for node in walk(tree):
        called = str(node["function_name"]).lower() if node["class"] == "FUNCTION" else ""
        if called not in TABLE_FUNCTIONS and (SYSTEM.fullmatch(called) or ACTING.fullmatch(called)):
            raise ValueError(f"calls {called}(), which reads more than its rows")


def acting(text: str) -> str | None:
    """The first function that a text of SQL seems to call and that does more than read; None where there is none.

    It looks at the text alone, because not every statement of a query has a tree. A quoted text may be taken for a call.
    """
    found = _NAMED.search(text)
    return found[1].lower() if found else None


def _parts(tree: Any) -> Iterator[Node]:
    """Every object of a tree, from the outside in."""
    if isinstance(tree, dict):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _parts(value)


def _listed(tables: Collection[str]) -> str:
    return " and ".join(tables)

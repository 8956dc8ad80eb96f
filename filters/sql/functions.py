"""Which of DuckDB's functions a recipe may call: those that give the same value for the same rows, today and tomorrow.

DuckDB's own catalogue says which are volatile; a macro is judged by what it calls. What the catalogue calls consistent
although it reads the clock, the machine or the version is named here.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from filters.sql.engine import fetch
from filters.sql.parse import Node, parse, walk
from filters.sql.sizes import constant, too_large
from schemas.errors import nearest

CLOCK = frozenset({"current_localtime", "current_localtimestamp"})
"""Called consistent in DuckDB's catalogue, and no more so than `now()`. So is `age` with one argument."""

SYSTEM = re.compile(
    r"current_setting|getenv|getvariable|version|vector_type|which_secret|query|query_table|pg_.*|has_.*_privilege|inet_.*"
    r"|json_(de)?serialize_.*|json_execute_.*|parse_duckdb_.*|user|session_user|current_(user|role|catalog|schemas?|database)"
    r"|duckdb_.*|pragma_.*|.*_scan|read_.*|glob|sniff_csv|parquet_.*|col_description|s?h?obj_description|get_block_size"
)
UNSTABLE = frozenset({"hash", "create_sort_key"})
"""Differ between versions of DuckDB."""

INTERNAL = frozenset({"combine", "finalize"})
APPROXIMATE = re.compile("approx_|reservoir_")
"""Aggregates that estimate, or draw a sample."""

ROWS = frozenset({"unnest", "generate_subscripts", "regexp_split_to_table"})
"""Make several rows of one."""

BY_NAME = frozenset(f"{kind}{verb}" for kind in ("list_", "array_", "") for verb in ("aggregate", "aggr")) - {"aggr"}
"""Functions that apply the aggregate that their second argument names to a list."""


class Function(NamedTuple):
    kinds: frozenset[str]
    stable: bool
    macro: str | None
    parameters: frozenset[str]


@cache
def catalogue() -> Mapping[str, Function]:
    """DuckDB's functions by their names in small letters."""
    rows = fetch(
        "SELECT lower(function_name), list(DISTINCT function_type),"
        " bool_and(coalesce(stability = 'CONSISTENT', true)),"
        " max(macro_definition) FILTER (function_type = 'macro'), flatten(list(parameters))"
        " FROM duckdb_functions() GROUP BY 1"
    )
    return {
        name: Function(frozenset(kinds), stable, macro, frozenset(given)) for name, kinds, stable, macro, given in rows
    }


def is_aggregate(name: str) -> bool:
    """Whether DuckDB has an aggregate of that name."""
    known = catalogue().get(name.lower())
    return known is not None and "aggregate" in known.kinds


def refusal(node: Node) -> str | None:
    """Why this call of a function may not be in a recipe, as the end of a sentence that starts with the SQL; or None."""
    name = str(node["function_name"]).lower()
    if node["schema"] not in {"", "main"} or node["catalog"] not in {"", "system"}:
        return f"calls {node['schema']}.{name}(); write {name}({node['schema']}, …)"
    known = catalogue().get(name)
    if SYSTEM.fullmatch(name):
        return f"calls {name}(), which reads more than the rows"
    if known is None:
        callable_ = (other for other, it in catalogue().items() if it.stable and not SYSTEM.fullmatch(other))
        return f"calls {name}(), which DuckDB does not have.{nearest(name, callable_)}"
    if name in BY_NAME and not _listed(node["children"]):
        return f"calls {name}() without the name of an aggregate that is exact, such as 'sum'"
    return _impure(name, known, node) or too_large(name, node["children"])


def _impure(name: str, known: Function, node: Node) -> str | None:
    if not known.stable or name in CLOCK or (name == "age" and len(node["children"]) == 1):
        return f"calls {name}(), which may give another value in the next build"
    if name in UNSTABLE:
        return f"calls {name}(), whose value differs between versions of DuckDB; use md5"
    if name in INTERNAL or name.startswith("__"):
        return f"calls {name}(), which is DuckDB's own"
    if name in ROWS:
        return f"calls {name}(), which makes several rows of one"
    if not known.kinds & {"scalar", "macro", "aggregate"}:
        return f"calls {name}(), which gives a table"
    inner = _of_macro(name) if known.macro is not None else None
    return f"calls {name}(), which {inner}" if inner else None


def _listed(children: list[Node]) -> bool:
    """Whether the aggregate that a list goes through is one that gives the same value for the same list."""
    name = constant(children[1]) if len(children) > 1 else None
    return name is not None and is_aggregate(name) and not APPROXIMATE.match(name.lower())


@cache
def _of_macro(name: str) -> str | None:
    known = catalogue()[name]
    for node in walk(parse(known.macro or "")):
        if node["class"] == "SUBQUERY":
            return "reads more than the rows"
        if node["class"] == "COLUMN_REF" and not {node["column_names"][0]} & known.parameters:
            return f"reads {node['column_names'][0]}"
        if node["class"] == "FUNCTION" and is_aggregate(node["function_name"]):
            return f"is {known.macro}; write that"
        if node["class"] == "FUNCTION" and (why := refusal(node)):
            return why
    return None

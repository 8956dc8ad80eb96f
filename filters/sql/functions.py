"""Which of DuckDB's functions a recipe may call: those that give the same value for the same rows, today and tomorrow.

DuckDB's own catalogue says which are volatile; a macro is judged by what it calls. What the catalogue calls consistent
although it reads the clock, the machine or the version is named here, and so are functions that make a text or a list of
any size from a small number: DuckDB's memory limit does not count those (version 1.5 gives `repeat('a', 1000000000)` its
gigabyte under a limit of 512 MB).
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from filters.sql.engine import fetch
from filters.sql.parse import Node, parse, walk
from schemas.errors import nearest

MOST = 10_000
"""The largest size that `repeat(text, size)` and its like may be given, and the widest field of `format`."""

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

REDUCE = frozenset({"list_reduce", "array_reduce", "reduce"})
SIZES: Mapping[str, slice] = {
    **dict.fromkeys(("repeat", "lpad", "rpad", "list_resize", "array_resize"), slice(1, 2)),
    **dict.fromkeys(("range", "generate_series"), slice(None)),
}
"""Functions whose arguments (which) say how large their value is."""

LENGTHS = frozenset({"len", "length", "strlen", "array_length", "char_length", "character_length", "list_count"})
BY_NAME = frozenset(f"{kind}{verb}" for kind in ("list_", "array_", "") for verb in ("aggregate", "aggr")) - {"aggr"}
"""Functions that apply the aggregate that their second argument names to a list."""

FORMATS = frozenset({"format", "printf"})


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
    return _impure(name, known, node) or _arguments(name, node)


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
    name = children[1]["value"].get("value") if len(children) > 1 and children[1]["class"] == "CONSTANT" else None
    return isinstance(name, str) and is_aggregate(name) and not APPROXIMATE.match(name.lower())


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


def _arguments(name: str, node: Node) -> str | None:
    children = node["children"]
    if name in BY_NAME and not _listed(children):
        return f"calls {name}() without the name of an aggregate that is exact, such as 'sum'"
    if name in REDUCE:
        return f"calls {name}(), whose value may double with each item; use list_sum, list_max and their like"
    if name in SIZES:
        if not all(map(_bounded, children[SIZES[name]])):
            return f"calls {name}() with a size that is not a number up to {MOST:,} or the length of a column"
        within = {
            str(n["function_name"]).lower() for child in children for n in walk(child) if n["class"] == "FUNCTION"
        }
        if deeper := sorted(within & SIZES.keys()):
            return f"calls {deeper[0]}() within {name}(), whose sizes multiply"
    if name in FORMATS and (not children or not _plain_format(children[0])):
        return f"calls {name}() with a format that is no plain text with widths up to {MOST:,}"
    return None


def _bounded(node: Node) -> bool:
    """Whether a size is a small number, or comes from the lengths of what the row holds."""
    if node["class"] == "CONSTANT":
        value = node["value"].get("value")
        return node["value"]["is_null"] or (isinstance(value, int) and abs(value) <= MOST)
    if node["class"] != "FUNCTION":
        return False
    name = str(node["function_name"]).lower()
    return name in LENGTHS or (name in {"+", "-", "//"} and all(map(_bounded, node["children"])))


def _plain_format(node: Node) -> bool:
    value = node["value"].get("value") if node["class"] == "CONSTANT" else None
    if not isinstance(value, str) or re.search(r"%[^a-zA-Z%]*\*|\{[^{}]*:[^{}]*\{", value):
        return False
    return all(int(digits) <= MOST for digits in re.findall(r"\d+", value))

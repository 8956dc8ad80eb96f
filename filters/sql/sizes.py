"""Functions that make a text or a list of any size from a small number.

DuckDB's memory limit does not count what they make: version 1.5 gives `repeat('a', 1000000000)` its gigabyte under a limit
of 512 MB. So their sizes are bounded where the SQL is read.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from filters.sql.parse import Node, walk

MOST = 1_000
"""The largest size that `lpad(text, size)` and its like may be given, and the widest field of `format`."""

REPEATED = 100
"""Characters that `repeat` may be given: a text of the recipe, because one of a row may be long."""

_SIZES: Mapping[str, slice] = {
    **dict.fromkeys(("repeat", "lpad", "rpad", "list_resize", "array_resize"), slice(1, 2)),
    **dict.fromkeys(("range", "generate_series"), slice(None)),
}
"""Functions whose arguments (which) say how large their value is."""

_REDUCE = frozenset({"list_reduce", "array_reduce", "reduce"})
_FORMATS = frozenset({"format", "printf"})
_LENGTHS = frozenset({"len", "length", "strlen", "array_length", "char_length", "character_length", "list_count"})


def too_large(name: str, children: Sequence[Node]) -> str | None:
    """Why a call may make more than a row should hold, as the end of a sentence that starts with the SQL; or None."""
    if name in _REDUCE:
        return f"calls {name}(), whose value may double with each item; use list_sum, list_max and their like"
    if name in _FORMATS and not (children and _is_plain(constant(children[0]))):
        return f"calls {name}() with a format that is no plain text with widths up to {MOST:,}"
    return _sized(name, children) if name in _SIZES else None


def sized(tree: Any) -> list[str]:
    """The functions of a tree that say how large their value is."""
    return sorted({name for node in walk(tree) if (name := _name(node)) in _SIZES})


def constant(node: Node) -> str | None:
    """A text of the recipe; None for any other expression."""
    value = node["value"].get("value") if node["class"] == "CONSTANT" else None
    return value if isinstance(value, str) else None


def _sized(name: str, children: Sequence[Node]) -> str | None:
    if not all(map(_is_bounded, children[_SIZES[name]])):
        return f"calls {name}() with a size that is not a number up to {MOST:,} or the length of a column"
    if name == "repeat" and not (children and 0 < len(constant(children[0]) or "") <= REPEATED):
        return f"calls repeat() of something other than a text of up to {REPEATED} characters"
    if inner := sized(children):
        return f"calls {inner[0]}() within {name}(), whose sizes multiply"
    return None


def _is_bounded(node: Node) -> bool:
    """Whether a size is a small number, or comes from the lengths of what the row holds."""
    if node["class"] == "CONSTANT":
        value = node["value"].get("value")
        return node["value"]["is_null"] or (isinstance(value, int) and abs(value) <= MOST)
    return _name(node) in _LENGTHS or (_name(node) in {"+", "-", "//"} and all(map(_is_bounded, node["children"])))


def _is_plain(text: str | None) -> bool:
    """Whether a format holds all of its widths."""
    if text is None or re.search(r"%[^a-zA-Z%]*\*|\{[^{}]*:[^{}]*\{", text):
        return False
    return all(int(digits) <= MOST for digits in re.findall(r"\d+", text))


def _name(node: Node) -> str:
    return str(node["function_name"]).lower() if node["class"] == "FUNCTION" else ""

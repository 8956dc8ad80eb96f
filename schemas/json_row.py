"""Whether a JSON value is a row of a table: what comes from outside is checked where it enters, and costs only itself."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import polars as pl

_INT32 = 2**31


def fault(value: Any, schema: pl.Schema, nullable: Collection[str]) -> str | None:
    """What keeps a value read from JSON from being a row of `schema`, as a clause; None where it is one.

    Columns are strings, 32-bit integers, lists of 32-bit floats or times (text in ISO 8601 with its zone). A column of
    `nullable` may be null or left out. Columns that the schema does not have are no fault.
    """
    if not isinstance(value, dict):
        return f"it is {_kind(value)}, not an object"
    for name, dtype in schema.items():
        given = value.get(name)
        if given is None:
            if name not in nullable:
                return f"'{name}' is missing"
        elif not _fits(given, dtype):
            return f"'{name}' is {_kind(given)}, not {_wanted(dtype)}"
    return None


def _fits(value: Any, dtype: pl.DataType) -> bool:
    if dtype == pl.String:
        return isinstance(value, str)
    if dtype == pl.Int32:
        return isinstance(value, int) and not isinstance(value, bool) and -_INT32 <= value < _INT32
    if dtype == pl.List(pl.Float32):
        return isinstance(value, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    return isinstance(value, str) and _is_time(value)


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _kind(value: Any) -> str:
    names = {
        bool: "a truth value",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _wanted(dtype: pl.DataType) -> str:
    if dtype == pl.String:
        return "a text"
    if dtype == pl.Int32:
        return "a whole number of 32 bits"
    return "a list of numbers" if isinstance(dtype, pl.List) else "a time with its zone"

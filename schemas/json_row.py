"""Whether a JSON value is a row of a table: what comes from outside is checked where it enters, and costs only itself."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import polars as pl

_INT32 = 2**31
_EXACT = 2**53
"""Whole numbers up to it are floats too; what is far above it overflows one."""


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
        elif isinstance(given, str) and not is_unicode(given):
            return f"'{name}' holds half of a surrogate pair, which no UTF-8 can"
        elif not _fits(given, dtype):
            return f"'{name}' is {_kind(given)}, not {_wanted(dtype)}"
    return None


def is_unicode(text: str) -> bool:
    """Whether UTF-8, and so a table, can hold a text: JSON can spell half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fits(value: Any, dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.String):  # comparing dtypes takes longer than all else here
        return isinstance(value, str)
    if isinstance(dtype, pl.Int32):
        return isinstance(value, int) and not isinstance(value, bool) and -_INT32 <= value < _INT32
    if isinstance(dtype, pl.List):
        return isinstance(value, list) and all(map(_is_float, value))
    return isinstance(value, str) and _is_time(value)


def _is_float(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return -_EXACT <= value <= _EXACT
    return isinstance(value, float)


def _is_time(text: str) -> bool:
    """Whether it is a time with its zone that UTC can tell: the first and last hours of the calendar are no such times."""
    try:
        time = datetime.fromisoformat(text)
        return time.tzinfo is not None and time.astimezone(UTC) is not None
    except (ValueError, OverflowError):
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
    if isinstance(dtype, pl.String):
        return "a text"
    if isinstance(dtype, pl.Int32):
        return "a whole number of 32 bits"
    return "a list of numbers" if isinstance(dtype, pl.List) else "a time with its zone"

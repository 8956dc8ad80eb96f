"""The fields of a JSON object somewhere in a reply."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

Reader = Literal["str", "int", "float", "bool"] | tuple[Literal["str", "int", "float"]] | Callable[[Any], Any]
"""How a value is read: as a type, as a list of a type, or by a function that gives None for what it cannot read."""

_OPEN = re.compile(r'\{\s*"')
_TRIES = 64
"""Places at which an object is looked for, so that a reply of open braces costs no more than its length."""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant, strict=False)


def read_object(text: str, readers: Mapping[str, Reader]) -> dict[str, Any] | None:
    """The fields of the last JSON object in `text` that has them all, each of its type; None where there is none.

    Fences and words around the object are fine, and so are more fields. Names of fields may differ in case, blanks and
    underscores. JSON that is none (commas too many, single quotes) is not mended.
    """
    found, end = None, 0
    for start in [match.start() for match in _OPEN.finditer(text)][-_TRIES:]:
        if start < end:
            continue
        try:
            value, after = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        fields = _fields(value, readers)
        if fields is not None:
            found, end = fields, after
    return found


def _fields(value: Mapping[str, Any], readers: Mapping[str, Reader]) -> dict[str, Any] | None:
    by_name = {_bare(name): item for name, item in value.items()} | dict(value)
    fields = {name: _read(by_name.get(name, by_name.get(_bare(name))), reader) for name, reader in readers.items()}
    return None if None in fields.values() else fields


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.casefold())


def _read(value: Any, reader: Reader) -> Any:
    if callable(reader):
        return reader(value)
    if isinstance(reader, tuple):
        items = [_read(item, reader[0]) for item in value] if isinstance(value, list) else [None]
        return None if any(item is None for item in items) else items
    return _TYPES[reader](value)


def _text(value: Any) -> str | None:
    if isinstance(value, str):  # JSON can spell half of a surrogate pair, which no table can hold
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return None if _float(value) is None else json.dumps(value)


def _float(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _int(value: Any) -> int | None:
    number = _float(value)
    if number is None or not number.is_integer() or abs(number) > 2**53:
        return None
    return int(number)


def _bool(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "yes": True, "false": False, "no": False}.get(value.strip().casefold())
    return value if isinstance(value, bool) else None


_TYPES: Mapping[str, Callable[[Any], Any]] = {"str": _text, "int": _int, "float": _float, "bool": _bool}

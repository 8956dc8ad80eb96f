"""Reads JSON, and Python literals that models write instead of JSON. Literals only: nothing is ever executed."""

import ast
import json
import math
import re
from typing import Any

_FENCE = re.compile(r"^```[\w-]*\s*\n?(.*?)\n?\s*```$", re.DOTALL)
_INNER_FENCE = re.compile(r"```(?:json|python)?\s*\n(.*?)\n\s*```", re.DOTALL)
_MAX_LITERAL = 20_000


class NotLiteralError(ValueError):
    """Neither JSON nor a literal."""


def unfenced(text: str) -> str:
    """The inside of one code fence around the whole text, else of the last fence in it, else the text."""
    text = text.strip()
    if "```" not in text:
        return text
    if match := _FENCE.match(text):
        return match.group(1).strip()
    inner = _INNER_FENCE.findall(text)
    return inner[-1].strip() if inner else text


def read_literal(text: str) -> Any:
    """The JSON value or Python literal that is the whole of `text`. Raises `NotLiteralError`."""
    text = unfenced(text)
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        pass
    if len(text) > _MAX_LITERAL:
        raise NotLiteralError("too long for a literal")
    try:
        return _plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise NotLiteralError("neither JSON nor a literal") from error


def _refuse(constant: str) -> float:
    raise NotLiteralError(f"{constant} is no number")


def _plain(value: Any) -> Any:
    """Tuples and sets as lists, so that both notations give one value."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(v) for v in value), key=repr)
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"{type(value).__name__} is not JSON")

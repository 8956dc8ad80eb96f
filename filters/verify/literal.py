"""Reads JSON, and Python literals that models write instead of JSON. Literals only: nothing is ever executed."""

import ast
import json
import math
import re
from typing import Any

_FENCE = "```"
_LANGUAGE = re.compile(r"[\w-]*")
_OPENING = re.compile(r"```[\w+-]{0,20}[^\S\n]*\n")
_MAX_LITERAL = 20_000
MAX_DEPTH = 100
"""Lists and objects within each other; what is nested deeper is no answer."""


class NotLiteralError(ValueError):
    """Neither JSON nor a literal."""


def unfenced(text: str) -> str:
    """The inside of one code fence around the whole text, else of the last fence in it, else the text. One pass."""
    text = text.strip()
    if _FENCE not in text:
        return text
    if text.startswith(_FENCE) and text.endswith(_FENCE) and len(text) >= 2 * len(_FENCE):
        inside = text[len(_FENCE) : -len(_FENCE)]
        language = _LANGUAGE.match(inside)
        return inside[language.end() if language else 0 :].strip()
    inner = _last_fence(text)
    return text if inner is None else inner.strip()


def _last_fence(text: str) -> str | None:
    """The inside of the last fence whose marks are at line ends and line starts."""
    found, at = None, text.find(_FENCE)
    while at >= 0:
        opening = _OPENING.match(text, at)
        if opening is None:
            at = text.find(_FENCE, at + 1)
            continue
        close = text.find(_FENCE, opening.end())
        while close >= 0 and not _starts_line(text, opening.end(), close):
            close = text.find(_FENCE, close + 1)
        if close < 0:
            break
        found, at = text[opening.end() : close], text.find(_FENCE, close + len(_FENCE))
    return found


def _starts_line(text: str, begin: int, at: int) -> bool:
    """Whether only blanks are before `at` on its line, and that line begins after `begin`."""
    while at > begin and text[at - 1].isspace():
        at -= 1
        if text[at] == "\n":
            return True
    return False


def read_literal(text: str) -> Any:
    """The JSON value or Python literal that is the whole of `text`. Raises `NotLiteralError`."""
    text = unfenced(text)
    try:
        return _shallow(json.loads(text, parse_constant=_refuse, parse_float=_finite))
    except (_TooDeepError, RecursionError) as error:
        raise NotLiteralError("nested too deeply") from error
    except ValueError:
        pass
    if len(text) > _MAX_LITERAL:
        raise NotLiteralError("too long for a literal")
    try:
        return _plain(_shallow(ast.literal_eval(text)))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise NotLiteralError("neither JSON nor a literal") from error


class _TooDeepError(NotLiteralError):
    """Deeper than `MAX_DEPTH`."""


def _shallow(value: Any) -> Any:
    """The value, looked at level by level. Raises `_TooDeepError`."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner = [v.values() if isinstance(v, dict) else v for v in level if isinstance(v, (dict, list, tuple))]
        if not inner:
            return value
        level = [item for items in inner for item in items]
    raise _TooDeepError("nested too deeply")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotLiteralError(f"{text[:20]} is too large")
    return value


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

"""How values look in a prompt, and what keeps a row from being rendered."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from generators.prompts import lettered
from schemas.errors import nearest

LONGEST = 1_000_000
"""Bytes of UTF-8 that a template may render to."""

LOOPS = 100_000
"""Rounds that all loops of one rendering may take together."""


class RenderError(ValueError):
    """A row cannot be rendered; `cause` is the word for its reason (`step:cause`)."""

    cause = "prompt"


class NullField(RenderError):  # noqa: N818 - a cause, as rows are dropped for
    """A field is null where the template needs a value. `name` is spelled as in the template."""

    cause = "null_field"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"'{name}' is null, and the prompt does not say what to write then, as in {{{{ {name} or '' }}}}"
        )
        self.name = name


class TooLong(RenderError):  # noqa: N818
    """A rendering is larger than `LONGEST`, or its loops take more than `LOOPS` rounds."""

    cause = "too_long"

    def __init__(self, why: str = f"it is longer than {LONGEST:,} bytes") -> None:
        super().__init__(f"the prompt of this row is given up: {why}")


class Options(list[Any]):
    """The options of a question, which show with their letters."""


def shown(value: Any) -> str:
    """A value as text: truth values as true and false, whole floats without a point, texts of a list each on a line of its
    own, options with their letters on one line, structs and other lists as JSON. None has no text."""
    text: str
    match value:
        case str():
            text = value
        case bool():
            text = "true" if value else "false"
        case float():
            text = _number(value)
        case Options() if all(isinstance(item, str) for item in value):
            text = lettered(value)
        case list() | tuple() if all(isinstance(item, str) for item in value):
            text = "\n".join(value)
        case Mapping() | list() | tuple():
            text = json.dumps(_plain(value), ensure_ascii=False, default=shown)
        case bytes() | None:
            raise RenderError(f"{kind_of(value)} has no text")
        case _:  # whole numbers, dates, times
            text = str(value)
    return text


def _number(value: float) -> str:
    """Fifteen digits: what is behind them is noise of sums such as 0.1 + 0.2."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case float() if value.is_integer() and abs(value) < 1e15:
            return int(value)
        case float():
            return float(f"{value:.15g}")
        case _:
            return value


def kind_of(value: Any) -> str:
    """What a value is, in words."""
    names = ((bool, "a truth value"), (int | float, "a number"), (str, "a text"), (list | tuple, "a list"),
             (Mapping, "a struct"), (type(None), "null"))  # fmt: skip
    return next((words for kind, words in names if isinstance(value, kind)), type(value).__name__)


def item_of(value: Any, key: str | int, spelled: str) -> Any:
    """A part of a value: null of null, and where a list has no such item. Raises RenderError where a value has no parts."""
    match value, key:
        case None, _:
            return None
        case Mapping(), str():
            if key not in value:
                raise RenderError(f"'{spelled}': there is no field '{key}'.{nearest(key, value)}")
            return value[key]
        case list() | tuple(), int():
            return value[key] if -len(value) <= key < len(value) else None
        case _:
            raise RenderError(f"'{spelled}': {kind_of(value)} has no part '{key}'")


_TEXTUAL: Mapping[str, Callable[[str], str]] = {"upper": str.upper, "lower": str.lower, "trim": str.strip}


def filtered(name: str, value: Any, between: str, spelled: str) -> Any:
    """A filter's value. Raises RenderError where the filter is not for such values."""
    result: Any
    if name in _TEXTUAL:
        result = _TEXTUAL[name](shown(value))
    elif name == "length" and isinstance(value, str | list | tuple | Mapping):
        result = len(value)
    elif not isinstance(value, list | tuple | str):
        raise RenderError(f"'{spelled}' is {kind_of(value)}, which the filter `{name}` is not for")
    elif name == "join":
        result = _joined(value, between, spelled)
    else:
        result = (value[0] if name == "first" else value[-1]) if value else None
    return result


def _joined(items: Sequence[Any], between: str, spelled: str) -> str:
    """Joined text; it is given up before it is made if it is too long."""
    for i, item in enumerate(items):
        if item is None:
            raise NullField(f"{spelled}[{i}]")
    texts = [shown(item) for item in items]
    if sum(map(len, texts)) + len(between) * (len(texts) - 1) > LONGEST:
        raise TooLong
    return between.join(texts)


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

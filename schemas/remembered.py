"""What was read once is not read again, in memory that is bounded in bytes: many short texts are kept, or a few long."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_CLASSES = (256, 4096, 65_536)
"""Lengths up to which texts share a memory of their own; a longer text is read anew each time."""
CHARS = 1 << 21
"""Characters of texts that each of these memories holds, at most, where nothing else is asked for."""


def remembered(chars: int = CHARS, size: Callable[..., int] = len) -> Callable[[Function], Function]:
    """A pure function of texts that keeps results. `size` says how many characters its arguments have.

    There is a memory for short, one for medium, and one for long texts, each of as many entries as `chars` has room for if
    all were of the greatest length in it. So the keys take `len(_CLASSES) * chars` characters and never more.
    """

    def decorate(function: Function) -> Function:
        short, medium, long = (lru_cache(max(1, chars // most))(function) for most in _CLASSES)

        @wraps(function)
        def call(*arguments: Any) -> Any:
            length = size(*arguments)
            if length <= _CLASSES[0]:
                return short(*arguments)
            if length <= _CLASSES[1]:
                return medium(*arguments)
            return long(*arguments) if length <= _CLASSES[2] else function(*arguments)

        return call  # type: ignore[return-value]

    return decorate

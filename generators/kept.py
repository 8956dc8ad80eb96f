"""Models that stay loaded between the steps that use them, where they are small: those that come with curate, in a demo."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar, cast

Loaded = TypeVar("Loaded")

_held: list[dict[Hashable, Any]] = []
_lock = Lock()


@contextmanager
def kept_models() -> Iterator[None]:
    """What is loaded inside is loaded once, and freed at the end of the outermost of these."""
    with _lock:
        _held.append(_held[-1] if _held else {})
    try:
        yield
    finally:
        with _lock:
            _held.pop()


def once(key: Hashable, load: Callable[[], Loaded]) -> Loaded:
    """What `load` gives, from before where it was loaded inside `kept_models`. Two threads do not load one thing twice."""
    if not _held:
        return load()
    with _lock:
        kept = _held[-1] if _held else {}
        if key not in kept:
            kept[key] = load()
        return cast(Loaded, kept[key])

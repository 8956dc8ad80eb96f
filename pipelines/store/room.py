"""Memory that several threads share: who wants more than is left waits until others have given back theirs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """`size` bytes. More than that is given to one alone, or it would wait for ever."""

    def __init__(self, size: int) -> None:
        self._size = self._left = max(1, size)
        self._freed = threading.Condition()

    @contextmanager
    def __call__(self, wanted: int) -> Iterator[None]:
        """Hold so many bytes while the block runs. One block must not be within another."""
        taken = min(wanted, self._size)
        with self._freed:
            self._freed.wait_for(lambda: self._left >= taken)
            self._left -= taken
        try:
            yield
        finally:
            with self._freed:
                self._left += taken
                self._freed.notify_all()

"""The time that answers may waste which a trainer asks about one at a time: as a batch has a limit, so have they."""

import threading
import time
from collections.abc import Callable

SHARE = 8
"""A call may waste an eighth of what is left, so that a run of hanging answers gets less and less of it."""
LEAST_S = 0.15
"""A call may always waste so much: most answers need less."""
REFILL = 0.1
"""Seconds that are added in each second that passes."""


class Allowance:
    """Holds up to `full_s` seconds. Only what a call wasted on an answer without a verdict is taken from it.

    What n hanging answers waste together in t seconds is at most `full_s + REFILL * t + n * LEAST_S`. Threads may share it.
    """

    def __init__(self, full_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._full_s = self._left_s = full_s
        self._clock = clock
        self._at = clock()
        self._lock = threading.Lock()

    def turn_s(self, most_s: float) -> float:
        """Seconds that the next call may take, at most `most_s`."""
        return min(most_s, max(LEAST_S, self._now(0.0) / SHARE))

    def waste(self, seconds: float) -> None:
        """Take what a call wasted."""
        self._now(seconds)

    def _now(self, wasted_s: float) -> float:
        with self._lock:
            now = self._clock()
            refilled = self._left_s + REFILL * max(0.0, now - self._at)
            self._at = now
            self._left_s = max(0.0, min(self._full_s, refilled) - wasted_s)
            return self._left_s

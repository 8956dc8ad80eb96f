"""A limit of requests a second: evenly spaced, so that a server which counts by the second or by the minute sees no more."""


class Pace:
    """Turns, so many a second, in the order in which they are asked for; without a limit all come at once."""

    def __init__(self, per_second: float | None) -> None:
        self._between = 1 / per_second if per_second else 0.0
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Take the next turn; the seconds from `now`, of a clock that only goes on, until it comes."""
        at = max(now, self._next)
        self._next = at + self._between
        return at - now

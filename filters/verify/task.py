"""An item on its way through the processes, and how long it may be worked on at a time."""

import time
from dataclasses import dataclass

from filters.verify.verifier import VerifyItem

LOOK = 8
"""Where a batch has less time than its items may need, each first gets an eighth of its share: most need no more."""
LEAST_LOOK_S = 0.1
"""A first look is no shorter, unless half of a share is."""


@dataclass(slots=True)
class Task:
    """Item `number` of a run. `turn_s`: seconds that it may take now; `whole`: these are all that it will get.

    `deaths`: processes that ended while they were at it. `probe`: what is judged is not the item, but whether a process
    survives its gold's own statement.
    """

    number: int
    item: VerifyItem
    turn_s: float = 0.0
    whole: bool = True
    looked: bool = False
    deaths: int = 0
    probe: bool = False


class Clock:
    """The time that a run has: for each item `budget_s`, and for all together `within_s`, where that is given.

    Where the batch has time for every item's whole budget, each gets it at once. Else each gets a first look, so that what
    is quickly decided is decided whatever comes before it; then the time that is left is divided evenly among what is left.
    """

    def __init__(self, budget_s: float, workers: int, within_s: float | None = None) -> None:
        self.budget_s = budget_s
        self._workers = workers
        self._look_s: float | None = None
        self._end = None if within_s is None else time.monotonic() + within_s

    @property
    def left_s(self) -> float:
        """Seconds until the batch must end."""
        return float("inf") if self._end is None else max(0.0, self._end - time.monotonic())

    def begin(self, task: Task, waiting: int) -> None:
        """Give a task its turn, one of `waiting` that are not done."""
        left = self.left_s
        share = min(left, left * self._workers / max(1, waiting)) if self._end is not None else left
        task.whole = share >= self.budget_s or task.looked or task.probe
        if self._look_s is None:
            self._look_s = max(share / LOOK, min(LEAST_LOOK_S, share / 2))
        task.turn_s = min(self.budget_s, share if task.whole else self._look_s)

"""Greedy selection of what adds most to the rows taken so far, with quotas.

Gains only ever shrink (submodularity), so a gain from an earlier round is an upper bound now. Lazy evaluation (Minoux 1978)
re-evaluates a row only when its bound is the largest; it takes the very rows that evaluating all in each round would.
"""

import heapq
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from filters.dedup.vectors import Ints

Doubles = npt.NDArray[np.float64]


class Limits(NamedTuple):
    """Quotas for a greedy choice: `cell` is the cell of each row, -1 for none (never taken); `quota` the seats of each cell.

    Greedy under such a partition matroid reaches at least half of the best value (Fisher, Nemhauser and Wolsey 1978).
    """

    cell: Ints
    quota: Ints


def lazy_greedy(
    first: Doubles,
    gain: Callable[[int], float],
    take: Callable[[int], None],
    budget: int,
    limits: Limits | None = None,
) -> Ints:
    """Rows in the order taken, at most `budget`: each time the row of largest gain, ties to the smaller index.

    `first` is every row's gain before anything is taken, `gain` its gain now, `take` is called with each row taken. `gain`
    must never grow.
    """
    cell = limits.cell.tolist() if limits else [0] * len(first)
    room = limits.quota.tolist() if limits else [len(first)]
    heap = [(-value, row) for row, value in enumerate(first.tolist()) if cell[row] >= 0]
    heapq.heapify(heap)
    seen = [0] * len(first)
    order: list[int] = []
    while heap and len(order) < budget:
        row = heap[0][1]
        if room[cell[row]] <= 0:
            heapq.heappop(heap)
        elif seen[row] == len(order):
            heapq.heappop(heap)
            take(row)
            room[cell[row]] -= 1
            order.append(row)
        else:
            seen[row] = len(order)
            heapq.heapreplace(heap, (-gain(row), row))
    return np.array(order, dtype=np.int64)

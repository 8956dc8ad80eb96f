"""The NeuraLadder's mix: each step holds mostly its own difficulty, and some of the neighbouring ones.

Observe-R1 (arXiv 2505.12432), figure of the NeuraLadder: at the step of difficulty d = 1 - c/8 the share of samples of that
difficulty is as the bars show, the rest comes from the steps beside it. How many from below and how many from above
is not published; here neighbouring levels swap rows, so that each step stays as large as its level.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, model_validator

from schemas.section import Section

BARS = (0.29, 0.50, 0.50, 0.50, 0.58, 0.57, 0.54, 0.69, 0.72)
"""Own share of each step, difficulty 0 to 1 in eighths, read off the figure's bars."""

Places = npt.NDArray[np.int64]


class LadderConfig(Section):
    """The steps and how much of each is its own."""

    type: Literal["ladder"] = "ladder"
    own: tuple[float, ...] = Field(
        default=BARS,
        min_length=2,
        description="share of a step that is of its own difficulty, from never wrong to never right",
    )

    @model_validator(mode="after")
    def _shares(self) -> "LadderConfig":
        if not all(0 < share <= 1 for share in self.own):
            raise ValueError("the own share of a step lies above 0 and up to 1")
        return self


def climb(k: pl.Series, n: pl.Series, config: LadderConfig) -> Places:
    """Places of the rows (k right of n) in the order of the ladder.

    A row's level is (n-k)/n in steps, to the nearest, half up. Who moves to a neighbouring step is decided by the order that
    rows come in (shuffle them first): the first of a level go down, the last up. Within a step, levels are spread evenly.
    """
    steps = len(config.own)
    wrong, all_ = (n - k).to_numpy().astype(np.int64), n.to_numpy().astype(np.int64)
    level = (2 * wrong * (steps - 1) + all_) // (2 * all_)
    swapped = [0, *swaps(np.bincount(level, minlength=steps), np.asarray(config.own)).tolist(), 0]
    place = level.copy()
    for step in range(steps):
        here = np.flatnonzero(level == step)
        place[here[: swapped[step]]] = step - 1
        place[here[len(here) - swapped[step + 1] :]] = step + 1
    spread = np.zeros(len(level))
    for step in range(steps):
        for own in np.unique(level[place == step]):
            part = np.flatnonzero((place == step) & (level == own))
            spread[part] = (np.arange(len(part)) + 0.5) / len(part)
    order: Places = np.lexsort((np.arange(len(level)), level, spread, place)).astype(np.int64)
    return order


def swaps(counts: npt.NDArray[np.int64], own: npt.NDArray[np.float64]) -> Places:
    """How many rows each level (of `counts` rows) swaps with the next one, so that each step holds its `own` share.

    Swapping keeps every step as large as its level. Step t is right where `e_(t-1) + e_t = (1 - own_t) counts_t`: one
    equation more than unknowns, so shares are met by least squares, as near as these counts allow.
    """
    from scipy.optimize import lsq_linear

    steps = len(own)
    inner = (np.arange(steps) > 0) & (np.arange(steps) < steps - 1)
    room = np.where(inner, counts // 2, counts)
    most = np.minimum(room[:-1], room[1:])
    pairs = (np.eye(steps, steps - 1) + np.eye(steps, steps - 1, k=-1)) / np.maximum(counts, 1)[:, None]
    # An upper bound must lie above 0; an empty level swaps nothing after rounding.
    exact = lsq_linear(pairs, 1 - own, bounds=(0, np.maximum(most, 1e-9))).x
    whole: Places = np.minimum(np.floor(exact + 0.5).astype(np.int64), most)
    return whole

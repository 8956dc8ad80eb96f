"""Rounds taken in turn by two systems: the ratio of each pair, their median, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any

DRAWS = 10_000


@dataclass(frozen=True)
class Ratio:
    """The median of paired ratios, and its 95 % bootstrap interval over rounds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def to_json(self) -> dict[str, Any]:
        return {"ratio": round(self.value, 4), "interval": [round(self.low, 4), round(self.high, 4)]}


def paired(mine: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Ratio:
    """`mine` over `theirs`, a pair a round."""
    ratios = [own / other for own, other in zip(mine, theirs, strict=True)]
    chance = Random(seed)
    medians = sorted(median(chance.choices(ratios, k=len(ratios))) for _ in range(DRAWS))
    return Ratio(median(ratios), medians[DRAWS // 40], medians[-DRAWS // 40])

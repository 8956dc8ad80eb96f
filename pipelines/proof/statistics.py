"""Means over seeds and paired differences between arms, with 95 % intervals.

Over seeds: Student's t on one number a seed; the seeds share the questions, so this says how much a training varies. Over
questions: t on one number a question, the mean over the seeds; this says how much the questions vary. A difference is paired
by seed, or by question. One seed has no interval over seeds.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipelines.proof.arms import PAIRS, Pair
from pipelines.proof.grading import RIGHT, share
from pipelines.proof.state import Run

LEVEL = 0.95
SETS = ("holdout", "fresh")

Runs = Mapping[int, Run]
"""The runs of an arm by seed."""


class Estimate(NamedTuple):
    """A mean, and half of its interval; None where one number cannot say how much it varies."""

    mean: float
    half: float | None

    @property
    def sure(self) -> bool:
        """Whether 0 is outside of the interval."""
        return self.half is not None and abs(self.mean) > self.half


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of some numbers and its t-interval."""
    from scipy import stats

    mean, n = sum(values) / len(values), len(values)
    if n < 2:
        return Estimate(mean, None)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    return Estimate(mean, float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * deviation / math.sqrt(n))


def by_arm(runs: Mapping[tuple[str, int], Run]) -> dict[str, Runs]:
    """The runs of each arm by seed, in the order in which they were made."""
    found: dict[str, dict[int, Run]] = {}
    for (arm, seed), run in sorted(runs.items(), key=lambda item: item[0][1]):
        found.setdefault(arm, {})[seed] = run
    return dict(found)


def accuracy(runs: Runs, which: str) -> Estimate | None:
    """The share of right answers in a set, over seeds; None where it was not graded."""
    found = [share(run[which]) for run in runs.values() if run.get(which)]
    return estimate(found) if found else None


class Difference(NamedTuple):
    """How much more one arm gets right than another, paired."""

    over_seeds: Estimate
    over_questions: Estimate


def difference(ours: Runs, theirs: Runs, which: str) -> Difference | None:
    """One arm less another in a set, over the seeds that both have; what was not trained is the same for every seed."""
    pairs = [
        (run[which], other[which])
        for seed, run in ours.items()
        if (other := theirs.get(seed, _only(theirs))) is not None and run.get(which) and other.get(which)
    ]
    if not pairs:
        return None
    seeds = [share(mine) - share(other) for mine, other in pairs]
    questions = [
        sum((mine[i] == RIGHT) - (other[i] == RIGHT) for mine, other in pairs) / len(pairs)
        for i in range(len(pairs[0][0]))
    ]
    return Difference(estimate(seeds), estimate(questions))


def differences(arms: Mapping[str, Runs], which: str) -> dict[Pair, Difference]:
    """Of each pair of arms that were both run and graded in a set, the first less the second."""
    there = [pair for pair in PAIRS if pair.first in arms and pair.second in arms]
    found = {pair: difference(arms[pair.first], arms[pair.second], which) for pair in there}
    return {pair: one for pair, one in found.items() if one is not None}


BETTER = "better"


def verdict(found: Difference) -> str:
    """What a difference shows, in a word or two: only what is outside of both intervals is shown."""
    over = (found.over_seeds, found.over_questions)
    if over[0].half is None:
        return "one seed shows nothing"
    if not all(one.sure for one in over):
        return "no difference shown"
    return BETTER if found.over_seeds.mean > 0 else "worse"


def mean_of(runs: Runs, *keys: str) -> Estimate | None:
    """A number of the runs, by its keys, over seeds."""
    found: list[float] = []
    for run in runs.values():
        value: Any = run
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            found.append(float(value))
    return estimate(found) if found else None


def _only(runs: Runs) -> Run | None:
    """The run of an arm that trains nothing, and so has one."""
    run = next(iter(runs.values()), None)
    return run if run is not None and len(runs) == 1 and not run["trained"] else None

"""From what a few hundred requests took to the hours of a whole recipe, by resource: arithmetic, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pipelines.projection.watched import Asked

Resource = Literal["models", "driver", "disk", "pure steps"]

FULL = 0.8
"""Share of a core from which on the driver is what limits: then its waiting is part of what calls seem to take."""

JOURNALLED = 2
"""How often the log writes an answer: as a line of the journal, and in a part."""


class Spent(NamedTuple):
    """What the steps took for some samples where all was answered, in seconds of processor time."""

    samples: int
    seconds: float


@dataclass(frozen=True)
class Measured:
    """A trial of `samples` samples. `wanted` are the answers that it needed by (step, model), also those that the log held.

    `log_bytes` are what the logs grew by for `answers` answers, `table_bytes` those of tables and release. `pure` is what
    its steps computed for all samples, and `least` for as few as can be: what is left is what a sample costs.
    `priced` are dollars a million prompt and reply tokens by model; None where nobody knows.
    """

    samples: int
    asked: Sequence[Asked]
    wanted: Mapping[tuple[str, str], int]
    pure: Spent
    least: Spent
    log_bytes: int
    table_bytes: int
    disk_rate: float
    priced: Mapping[str, tuple[float, float] | None]
    processes: int = 1
    """That compute the steps of a build, where it is large enough for more than one."""
    askers: int = 1
    """Processes that ask, in a build of that size."""

    @property
    def answers(self) -> int:
        return sum(one.answers for one in self.asked)


@dataclass(frozen=True)
class Hours:
    """A projection to `samples` samples: hours by resource, for `driver` and `pure steps` of all processes of a build.
    `models` is an upper bound where `at_most`."""

    samples: int
    answers: int
    hours: Mapping[Resource, float]
    at_most: bool
    bytes: float
    dollars: float | None

    @property
    def limit(self) -> Resource:
        """What takes longest. Models that seem as slow as the driver that waits for them are not it."""
        found = {name: hours for name, hours in self.hours.items() if not (self.at_most and name == "models")}
        return max(found, key=lambda name: found[name])


def project(measured: Measured, samples: int) -> Hours:
    """What `samples` samples would take if each were as those of the trial. Raises ValueError where nothing was answered."""
    known = [one for one in measured.asked if one.answers]
    if not known:
        raise ValueError("no model answered")
    share = samples / measured.samples
    counts = {(one.step, one.model): measured.wanted[one.step, one.model] * share for one in known}
    models = sum(counts[one.step, one.model] / one.rate for one in known)
    driver = sum(counts[one.step, one.model] * one.cpu_s / one.answers for one in known)
    each = max(0.0, measured.pure.seconds - measured.least.seconds) / max(
        1, measured.pure.samples - measured.least.samples
    )
    answers = sum(counts.values())
    log, tables = measured.log_bytes / measured.answers * answers, measured.table_bytes * share
    seconds: dict[Resource, float] = {
        "models": models,
        "driver": driver / measured.askers,
        "disk": (JOURNALLED * log + tables) / measured.disk_rate,
        "pure steps": each * samples / measured.processes,
    }
    busy = sum(one.busy * one.wall_s for one in known) / max(sum(one.wall_s for one in known), 1e-9)
    hours: dict[Resource, float] = {name: found / 3600 for name, found in seconds.items()}
    return Hours(samples, round(answers), hours, busy >= FULL, log + tables, _dollars(measured, counts))


def _dollars(measured: Measured, counts: Mapping[tuple[str, str], float]) -> float | None:
    total = 0.0
    for one in measured.asked:
        price = measured.priced[one.model]
        if not one.answers:
            continue
        if price is None or one.prompt_tokens is None or one.completion_tokens is None:
            return None
        tokens = one.prompt_tokens * price[0] + one.completion_tokens * price[1]
        total += tokens / 1e6 / one.answers * counts[one.step, one.model]
    return total

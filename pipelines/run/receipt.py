"""What the model calls of a step cost."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.engine import CacheUse


@dataclass(slots=True)
class Receipt:
    """What a step's model calls cost, and what was left without an answer.

    Times are seconds of wall-clock from the first request. Tokens are None once one answer came without a count. `again`
    counts refusals that the next build asks about once more, `final` those that it does not, both under the same `terms`
    (`pipelines.run.refusals`). `elsewhere` counts samples that another build is asking for, and that are waited for.
    `cache` is what the engine's caches held of the prompts, zeros where it does not count that.
    """

    total: int = 0
    samples: int = 0
    errors: int = 0
    unanswered: int = 0
    again: int = 0
    final: int = 0
    terms: str = ""
    retries: int = 0
    truncated: int = 0
    in_flight: int = 0
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    seconds: float = 0.0
    oldest: str = ""
    oldest_s: float = 0.0
    elsewhere: int = 0
    cache: CacheUse = field(default_factory=CacheUse)
    last_error: str = field(default="", repr=False)

    def __add__(self, other: "Receipt") -> "Receipt":
        """What two runs cost together. What is true of a moment (in flight, the oldest) is the later one's."""
        sums = ("total", "samples", "errors", "unanswered", "again", "final", "retries", "truncated", "seconds")
        added = {name: getattr(self, name) + getattr(other, name) for name in sums}
        tokens = ("prompt_tokens", "completion_tokens")
        added |= {name: plus(getattr(self, name), [getattr(other, name)]) for name in tokens}
        last = {name: getattr(other, name) or getattr(self, name) for name in ("terms", "oldest", "last_error")}
        cache = self.cache.plus(other.cache)
        return Receipt(**added, **last, cache=cache, in_flight=other.in_flight, oldest_s=other.oldest_s)

    @property
    def tokens_per_second(self) -> float | None:
        if self.completion_tokens is None:
            return None
        return self.completion_tokens / self.seconds if self.seconds else 0.0


def plus(total: int | None, more: Iterable[int | None]) -> int | None:
    """A sum in which one unknown makes all unknown."""
    for count in more:
        total = None if total is None or count is None else total + count
    return total

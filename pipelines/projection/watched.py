"""An engine that is watched while the driver asks it: what calls take, what is read and written, what the driver costs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.run.receipt import plus
from schemas.completion import Completion, ModelIdentity, Request
from schemas.engine import Engine


@dataclass
class Asked:
    """What a step asked a model. `calls` are (seconds, sequences, answers) of each call, one that failed included.

    `wall_s` and `cpu_s` are those of the driver's thread, from the moment that the engine was up until the last call came
    back: processor time of rendering, keys, HTTP and the log; `starved_s` is how long other work of the machine kept it from
    a core. `window` is how many sequences the engine takes at once.
    """

    step: str
    model: str
    window: int = 1
    calls: list[tuple[float, int, int]] = field(default_factory=list)
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    starved_s: float = 0.0

    @property
    def answers(self) -> int:
        return sum(answers for _, _, answers in self.calls)

    @property
    def rate(self) -> float:
        """Answers a second with the window full, by Little's law: places over the mean time that an answer holds one."""
        held = sum(seconds * sequences for seconds, sequences, _ in self.calls)
        return min(self.window, sum(sequences for _, sequences, _ in self.calls)) * self.answers / max(held, 1e-9)

    @property
    def busy(self) -> float:
        """Which share of the time that it had a core the driver computed; the rest it waited for models."""
        return min(1.0, self.cpu_s / max(self.wall_s - self.starved_s, 1e-9))

    def seconds_at(self, share: float) -> float:
        """What so large a share of the calls took at most."""
        found = sorted(seconds for seconds, _, _ in self.calls)
        return found[min(len(found) - 1, int(share * len(found)))]


def _starved() -> float:
    """Seconds for which this thread could run and got no core, so far; 0 where the system does not count that."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class Watched:
    """`schemas.engine.Engine` around another, and whatever else that one can do."""

    def __init__(self, engine: Engine, asked: Asked) -> None:
        self.identity: ModelIdentity = engine.identity
        self._engine = engine
        self._asked = asked
        self._began = self._worked = self._starved = 0.0

    @property
    def concurrency(self) -> int:
        return self._engine.concurrency

    async def start(self) -> None:
        await self._engine.start()
        self._asked.window = self._engine.concurrency
        if not self._began:  # else it died and is started again
            self._began, self._worked, self._starved = time.perf_counter(), time.thread_time(), _starved()

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        asked, before, found = self._asked, time.perf_counter(), list[Completion]()
        try:
            found = await self._engine.complete(request, indexes)
        finally:
            now = time.perf_counter()
            asked.calls.append((now - before, len(indexes), len(found)))
            asked.prompt_tokens = plus(asked.prompt_tokens, [answer.prompt_tokens for answer in found[:1]])
            asked.completion_tokens = plus(asked.completion_tokens, [answer.completion_tokens for answer in found])
            asked.wall_s, asked.cpu_s = now - self._began, time.thread_time() - self._worked
            asked.starved_s = _starved() - self._starved
        return found

    async def close(self) -> None:
        await self._engine.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


class Watch:
    """Watches every engine of a build (`Build.watch`)."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def __call__(self, step: str, model: str, engine: Engine) -> Engine:
        self.asked.append(Asked(step, model))
        return Watched(engine, self.asked[-1])

"""Buckets of a step computed side by side, by processes that start once a build and serve all of its steps.

Which process computes a bucket changes no byte of it. What a process cannot compute is computed here, so an error is the
one that this process meets. A process that dies costs its bucket another try; while others run it is not replaced,
because what ends one is most often that memory is short.
"""

import pickle
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Generic, Protocol, TypeVar

from pipelines.compiler.pipeline import Step
from pipelines.run.shard_process import ShardProcess
from pipelines.run.shard_program import FAILED, ROWS
from schemas.errors import StepError

PATIENCE_S = 1.0
"""Work of fewer seconds starts no process: each takes about as long to load what it needs."""
MOST_DEATHS = 2
"""Processes that a bucket may end before the build stops."""

T = TypeVar("T")


@dataclass(frozen=True)
class Task(Generic[T]):
    """What is done for buckets of a step: `function(context, bucket, *more, done)`, of a module, so that it can be named
    elsewhere; `context` is a `StepContext`. `fingerprint` is the step's: a process that has another leaves it alone."""

    step: str
    fingerprint: str
    function: Callable[..., T]


Work = tuple[int, tuple[Any, ...]]
"""A bucket, and `more`."""


def may_share(step: Step) -> bool:
    """Whether buckets of a step may be computed by several processes: it asks no model and loads none."""
    type_ = step.type
    alone = step.asks or type_.computes is not None or type_.loads(step.config)
    return (type_.scope(step.config) != "all" or type_.survey is not None) and not alone


class Sharing(Protocol):
    """What computes buckets elsewhere."""

    @property
    def trouble(self) -> str | None:
        """Why nothing is computed elsewhere, where that has been tried in vain."""

    def map(
        self, task: Task[T], work: Sequence[Work], here: Callable[[int], T], done: Callable[[int], None]
    ) -> Iterator[tuple[int, T]]:
        """Yield buckets with what was done for them, in whatever order they are done; `done` is called with the number of
        rows of each piece. `here` does the same in this process.
        """

    def close(self) -> None:
        """End what was started."""


class Shards:
    """`count` processes, each with the build that `reopen` gives. None starts before there is work for it: the first buckets
    are computed here, until it is known that the others take longer than `PATIENCE_S`, or `patience_s`.
    """

    def __init__(self, reopen: Callable[[], Any], count: int, patience_s: float | None = None) -> None:
        self._reopen = reopen
        self._count, self._patience = count, PATIENCE_S if patience_s is None else patience_s
        self._processes: list[ShardProcess] = []
        self._opening: bytes | None = None
        self._lost = False
        self.trouble: str | None = None
        """Why no process can be had, where that has been tried in vain."""

    def map(
        self, task: Task[T], work: Sequence[Work], here: Callable[[int], T], done: Callable[[int], None]
    ) -> Iterator[tuple[int, T]]:
        """As `Sharing.map`. Raises StepError where a bucket ends every process it is given to, and what `here` raises."""
        todo, self._lost = deque(work), False
        started = time.monotonic()
        while todo and not self._worth(len(todo), len(work), time.monotonic() - started):
            yield (bucket := todo.popleft()[0]), here(bucket)
        deaths: Counter[int] = Counter()
        try:
            while todo or self._busy:
                self._hand_out(task, todo)
                if not self._busy:  # no process can be had
                    yield (bucket := todo.popleft()[0]), here(bucket)
                    continue
                for process in self._ready():
                    message = process.receive()
                    if message is None:
                        self._died(process, task.step, todo, deaths)
                    elif message[0] == ROWS:
                        done(message[1])
                    else:
                        bucket = process.take()[0]
                        yield bucket, here(bucket) if message[0] == FAILED else message[1]
        finally:
            for process in self._busy:  # another bucket failed: nobody waits for theirs
                self._end(process)

    def close(self) -> None:
        """End all processes; the next work starts others."""
        for process in list(self._processes):
            self._end(process)

    @property
    def _busy(self) -> list[ShardProcess]:
        return [process for process in self._processes if process.work is not None]

    def _worth(self, left: int, total: int, seconds: float) -> bool:
        """Whether what is left is worth the start of processes, by how long the others took."""
        if self._count < 2 or left < 2:
            return False
        if self._processes or not self._patience:
            return True
        return total > left and seconds / (total - left) * left > self._patience

    def _hand_out(self, task: Task[Any], todo: deque[Work]) -> None:
        while todo:
            idle = next((process for process in self._processes if process.work is None), None)
            if idle is None:
                if len(self._processes) >= self._count or (self._busy and self._lost):
                    return
                idle = self._start()
                if idle is None:
                    return
            idle.give((task.step, task.fingerprint, task.function), todo.popleft())

    def _ready(self) -> list[ShardProcess]:
        busy = {process.connection: process for process in self._busy}
        return [busy[found] for found in wait(list(busy))]  # type: ignore[index]

    def _start(self) -> ShardProcess | None:
        """A new process; None where what it needs cannot be sent."""
        if self._opening is None:
            try:
                self._opening = pickle.dumps(self._reopen)
            except Exception as error:  # a build made by hand of what has no name in any module
                self._count, self.trouble = 0, str(error)
                return None
        process = ShardProcess(self._opening)
        self._processes.append(process)
        return process

    def _died(self, process: ShardProcess, step: str, todo: deque[Work], deaths: Counter[int]) -> None:
        work = process.take()
        how = self._end(process)
        if not process.opened:
            self._count, self.trouble = 0, process.trouble or how  # it cannot even begin, so no other can
            todo.appendleft(work)
            return
        self._lost = True
        deaths[work[0]] += 1
        if deaths[work[0]] >= MOST_DEATHS:
            raise StepError(
                f"Step '{step}': bucket {work[0]} ended {MOST_DEATHS} processes that were given it, the last by {how}. If "
                "memory ran out, set driver.workers to 1. What earlier steps made is kept."
            )
        todo.appendleft(work)

    def _end(self, process: ShardProcess) -> str:
        self._processes.remove(process)
        return process.kill()

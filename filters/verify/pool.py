"""Verdicts at speed that no answer can stop: what is cheap is settled here, the rest in killable processes."""

import os
import select
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

from filters.verify.process import Nursery, WorkerProcess
from filters.verify.verifier import VerifyItem, settle
from filters.verify.worker import verdict_of
from schemas.errors import StepError
from schemas.verdict import Tier, Verdict, unscored

WINDOW = 65_536
"""Verdicts that may wait for an earlier one, so that a hanging item holds up nobody behind it for its whole budget."""
WINDOW_CHARS = 1 << 26
"""The same, in characters of waiting responses."""
DEPTH = 2
"""Items given to a process at a time."""
RECYCLE = 20_000
"""Items after which a process is replaced: the caches of the symbolic engine grow."""


class VerifierPool:
    """A context manager around killable worker processes, which start with the first item that needs them.

    `budget_s` is the wall clock that one item may use; a process that is starved of CPU gets up to five times as long,
    so that verdicts do not change with the load of the machine. Safe to share between threads: each call borrows
    processes of its own.
    """

    def __init__(self, workers: int | None = None, budget_s: float = 2.0) -> None:
        self.workers = max(1, workers if workers is not None else min(8, os.cpu_count() or 1))
        self.budget_s = budget_s
        self._nursery = Nursery()
        self._idle: list[WorkerProcess] = []
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> "VerifierPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes; of a call still in progress in another thread, too."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.kill()
        self._nursery.close()

    def verify(self, item: VerifyItem) -> Verdict:
        """One verdict."""
        return next(iter(self.verify_many([item])))

    def verify_many(self, items: Iterable[VerifyItem]) -> Iterator[Verdict]:
        """One verdict an item, in order, as they become known. Holds a bounded window of them, never all.

        An item that spends its budget is unscored with tier `timeout`, one that ends its process `crash`.
        """
        run = _Run(self)
        try:
            for item in items:
                run.add(item)
                yield from run.ready()
                while run.full:
                    run.pump(wait=True)
                    yield from run.ready()
            while run.waiting:
                run.pump(wait=True)
                yield from run.ready()
        finally:
            run.end()

    def borrow(self) -> WorkerProcess:
        """An idle process, or a new one."""
        with self._lock:
            if self._closed:
                raise StepError("verify: the pool has been closed")
            if self._idle:
                return self._idle.pop()
        return self._nursery.spawn()

    def give_back(self, process: WorkerProcess) -> None:
        """Keeps a process that is at rest; ends any other."""
        with self._lock:
            keep = not self._closed and not process.outstanding and len(self._idle) < self.workers
            keep = keep and process.served < RECYCLE
            if keep:
                self._idle.append(process)
        if not keep:
            process.kill()


class _Run:
    """One pass of `verify_many`: the ordered window of verdicts and the processes at work on its gaps."""

    def __init__(self, pool: VerifierPool) -> None:
        self.pool = pool
        self.first = 0
        self.slots: deque[Verdict | None] = deque()
        self.todo: deque[tuple[int, VerifyItem]] = deque()
        self.processes: list[WorkerProcess] = []
        self.idle_deaths = 0
        self.lengths: deque[int] = deque()
        self.chars = 0

    @property
    def waiting(self) -> bool:
        return bool(self.slots)

    @property
    def full(self) -> bool:
        return len(self.slots) >= WINDOW or self.chars >= WINDOW_CHARS

    def add(self, item: VerifyItem) -> None:
        verdict = settle(item)
        self.slots.append(verdict)
        self.lengths.append(len(item.response))
        self.chars += len(item.response)
        if verdict is None:
            self.todo.append((self.first + len(self.slots) - 1, item))
            self.pump(wait=False)
        elif self.processes and len(self.slots) % 64 == 0:
            self.pump(wait=False)

    def ready(self) -> Iterator[Verdict]:
        while self.slots and (verdict := self.slots[0]) is not None:
            self.slots.popleft()
            self.chars -= self.lengths.popleft()
            self.first += 1
            yield verdict

    def pump(self, wait: bool) -> None:
        """Hands out work, moves bytes, collects verdicts, kills what is overdue."""
        self._hand_out()
        busy = [p for p in self.processes if p.outstanding]
        if not busy:
            return
        timeout = min(p.seconds_left(self.pool.budget_s) for p in busy) if wait else 0.0
        by_socket = {p.socket: p for p in busy}
        writing = [p.socket for p in busy if p.wants_write]
        readable, writable, _ = select.select(list(by_socket), writing, [], timeout)
        for ready in writable:
            by_socket[ready].send()
        for ready in readable:
            self._collect(by_socket[ready])
        for process in busy:
            if process.socket not in readable and process in self.processes and process.overdue(self.pool.budget_s):
                self._fail(process, f"no verdict within {self.pool.budget_s:g} s", "timeout")
        self._hand_out()

    def end(self) -> None:
        for process in self.processes:
            self.pool.give_back(process)
        self.processes = []

    def _hand_out(self) -> None:
        while self.todo:
            free = [p for p in self.processes if len(p.outstanding) < DEPTH]
            if len(self.processes) < self.pool.workers and not any(not p.outstanding for p in free):
                process = self.pool.borrow()
                self.processes.append(process)
            elif free:
                process = min(free, key=lambda p: len(p.outstanding))
            else:
                return
            process.give(*self.todo.popleft())
            process.send()

    def _collect(self, process: WorkerProcess) -> None:
        arrived: list[tuple[int, list[Any]]] | None = process.receive()
        if arrived is None:
            self.idle_deaths += not process.working
            if self.idle_deaths > 3:
                raise StepError("verify: workers end before they begin; try 'python -c \"import math_verify\"'")
            self._fail(process, "the item ended its process (memory or stack)", "crash")
            return
        for number, fields in arrived:
            self.slots[number - self.first] = verdict_of(fields)
        if process.served >= RECYCLE and not process.outstanding:
            process.kill()
            self.processes.remove(process)

    def _fail(self, process: WorkerProcess, explanation: str, tier: Tier) -> None:
        """Ends a process. The item that it was at gets the blame; the others go to the front of the queue."""
        guilty = process.outstanding.popleft() if process.working else None
        process.kill()
        self.processes.remove(process)
        if guilty is not None:
            self.slots[guilty[0] - self.first] = unscored(explanation, tier)
        self.todo.extendleft(reversed(process.outstanding))

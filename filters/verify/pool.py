"""Verdicts at speed that no answer can stop: what is cheap is settled here, the rest in killable processes."""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from filters.verify import symbolic
from filters.verify.gold import parse_gold
from filters.verify.kind import NO_PARAMS, GoldUnparseableError, Params
from filters.verify.process import Nursery, WorkerProcess
from filters.verify.run import NO_TIME, RECYCLE, Run
from filters.verify.task import Clock
from filters.verify.verifier import VerifyItem
from filters.verify.verifiers import CANNOT_USE
from schemas.answer import Answer, OpenAnswer
from schemas.errors import StepError
from schemas.verdict import Verdict

_TRIES = 3
"""How often a gold is read that the machine gave no time: a row is not dropped for that."""


class VerifierPool:
    """A context manager around killable worker processes, which start with the first item that needs them.

    `budget_s` is the CPU time that one item may use; a process that is starved of CPU gets up to five times as long by the
    wall clock, so that verdicts do not change with the load of the machine. Safe to share between threads: each call
    borrows processes of its own.
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

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes; of a call still in progress in another thread, too."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.kill()
        self._nursery.close()

    def verify(self, item: VerifyItem, budget_s: float | None = None) -> Verdict:
        """One verdict, within a budget of its own where one is given."""
        return next(self._verdicts([item], Clock(budget_s or self.budget_s, self.workers), hold=False))

    def parse_gold(
        self, kind: str, raw: str, *, options: Sequence[str] = (), params: Mapping[str, Any] | Params = NO_PARAMS
    ) -> Answer:
        """`gold.parse_gold`, within the budget: what only the symbolic engine can read is read in a process.

        Raises `GoldUnparseableError`, also where that takes longer or ends the process.
        """
        try:
            with symbolic.engine("elsewhere"):
                return parse_gold(kind, raw, options=options, params=params)
        except symbolic.ElsewhereError:
            settings = params.model_dump(exclude_unset=True) if isinstance(params, Params) else params
        item = VerifyItem("", OpenAnswer(raw=raw, reference=""), kind, settings, options)
        for _ in range(_TRIES):
            verdict = self.verify(item)
            if verdict.explanation != NO_TIME:
                break
        if verdict.score is None:
            raise GoldUnparseableError(verdict.explanation.removeprefix(CANNOT_USE))
        with symbolic.engine("readable"):
            return parse_gold(kind, raw, options=options, params=params)

    def verify_many(self, items: Iterable[VerifyItem], within_s: float | None = None) -> Iterator[Verdict]:
        """One verdict an item, in order, as they become known. Holds a bounded window of them, never all.

        A response that spends its budget of CPU time is wrong, with tier `timeout`; one that ends its process is tried
        again, and wrong, with tier `crash`, if it ends that too and its gold's own statement does not. Where the gold is at
        fault, or the machine gave an item no time, it is unscored with that tier.

        `within_s` bounds the wall clock of all items together, which are held at once then: see `task.Clock`. What had no
        time of its own when it is up is unscored.
        """
        return self._verdicts(items, Clock(self.budget_s, self.workers, within_s), hold=within_s is not None)

    def _verdicts(self, items: Iterable[VerifyItem], clock: Clock, hold: bool) -> Iterator[Verdict]:
        run = Run(self.borrow, self.workers, clock, hold)
        try:
            for item in items:
                run.add(item)
                if not run.hold:
                    yield from run.ready()
                while run.full:
                    run.pump(wait=True)
                    yield from run.ready()
            yield from run.ready()
            while run.waiting:
                run.pump(wait=True)
                yield from run.ready()
        finally:
            for process in run.end():
                self.give_back(process)

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

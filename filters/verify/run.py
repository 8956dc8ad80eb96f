"""One pass over items: the ordered window of their verdicts, and the processes at work on its gaps."""

import select
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

from filters.verify.process import WorkerProcess
from filters.verify.task import Clock, Task
from filters.verify.verifier import VerifyItem, settle, state_of
from filters.verify.verifiers import CANNOT_USE, SHOWN
from filters.verify.worker import verdict_of
from schemas.answer_span import answer_span
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
NO_TIME = "the machine gave it no time"
_DEATHS = 2
"""Processes that an item may end before its gold is tried alone: the first may have been ended by someone else."""


class Run:
    """`hold`: all items are added before the first of them is given to a process, so that they can share the time."""

    def __init__(self, borrow: Callable[[], WorkerProcess], workers: int, clock: Clock, hold: bool) -> None:
        self.borrow = borrow
        self.workers = workers
        self.clock = clock
        self.hold = hold
        self.first = 0
        self.slots: deque[Verdict | None] = deque()
        self.todo: deque[Task] = deque()
        self.processes: list[WorkerProcess] = []
        self.idle_deaths = 0
        self.lengths: deque[int] = deque()
        self.chars = 0
        self._probes: dict[int, Verdict] = {}

    @property
    def waiting(self) -> bool:
        return bool(self.slots)

    @property
    def full(self) -> bool:
        return not self.hold and (len(self.slots) >= WINDOW or self.chars >= WINDOW_CHARS)

    def add(self, item: VerifyItem) -> None:
        verdict = settle(item)
        self.slots.append(verdict)
        self.lengths.append(len(item.response))
        self.chars += len(item.response)
        if verdict is None:
            self.todo.append(Task(self.first + len(self.slots) - 1, item))
        if not self.hold and (verdict is None or (self.processes and len(self.slots) % 64 == 0)):
            self.pump(wait=False)

    def ready(self) -> Iterator[Verdict]:
        while self.slots and (verdict := self.slots[0]) is not None:
            self.slots.popleft()
            self.chars -= self.lengths.popleft()
            self.first += 1
            yield verdict

    def pump(self, wait: bool) -> None:
        """Hands out work, moves bytes, collects verdicts, ends what is overdue."""
        if self.clock.left_s <= 0:
            self._stop()
            return
        self._hand_out()
        busy = [p for p in self.processes if p.outstanding]
        if not busy:
            return
        timeout = min(self.clock.left_s, *(p.seconds_left() for p in busy)) if wait else 0.0
        by_socket = {p.socket: p for p in busy}
        writing = [p.socket for p in busy if p.wants_write]
        readable, writable, _ = select.select(list(by_socket), writing, [], timeout)
        for ready in writable:
            by_socket[ready].send()
        for ready in readable:
            self._collect(by_socket[ready])
        for process in busy:
            if process.socket not in readable and process in self.processes and (how := process.overdue()):
                self._fail(process, how)
        self._hand_out()

    def end(self) -> list[WorkerProcess]:
        """The processes, which somebody else may have."""
        processes, self.processes = self.processes, []
        return processes

    def _hand_out(self) -> None:
        while self.todo:
            free = [p for p in self.processes if len(p.outstanding) < DEPTH]
            if len(self.processes) < self.workers and not any(not p.outstanding for p in free):
                process = self.borrow()
                self.processes.append(process)
            elif free:
                process = min(free, key=lambda p: len(p.outstanding))
            else:
                return
            task = self.todo.popleft()
            self.clock.begin(task, 1 + len(self.todo) + sum(len(p.outstanding) for p in self.processes))
            try:
                process.give(task)
            except (TypeError, ValueError, RecursionError) as error:  # parameters that are no JSON
                self._set(task, unscored(f"not to be sent to a process: {str(error)[:200]}"))
                continue
            process.send()

    def _collect(self, process: WorkerProcess) -> None:
        arrived = process.receive()
        if arrived is None:
            self.idle_deaths += not process.working
            if self.idle_deaths > 3:
                raise StepError("verify: workers end before they begin; try 'python -c \"import math_verify\"'")
            self._fail(process, "crash")
            return
        for number, fields in arrived:
            self.slots[number - self.first] = self._probes.get(number) or verdict_of(fields)
        if process.served >= RECYCLE and not process.outstanding:
            process.kill()
            self.processes.remove(process)

    def _fail(self, process: WorkerProcess, how: Literal["spent", "starved", "crash"]) -> None:
        """Ends a process. The task that it was at gets the blame; the others go to the front of the queue."""
        guilty = process.outstanding.popleft() if process.working else None
        process.kill()
        self.processes.remove(process)
        self.todo.extendleft(reversed(process.outstanding))
        if guilty is None:
            return
        if how == "crash":
            self._died(guilty, process.at_gold)
        elif not guilty.whole:
            guilty.looked = True
            self.todo.append(guilty)
        elif how == "starved":
            self._set(guilty, unscored(NO_TIME, "timeout"))
        elif process.at_gold:
            self._set(guilty, unscored(f"its gold is not read within {guilty.turn_s:.3g} s", "timeout"))
        elif guilty.probe:
            self._set(guilty, self._probes[guilty.number])
        else:
            self._set(guilty, _wrong(guilty.item, f"no verdict within {guilty.turn_s:.3g} s", "timeout"))

    def _died(self, task: Task, at_gold: bool) -> None:
        """A task ended its process: it is tried again, then its gold is tried alone, and who is at fault is known."""
        task.deaths += 1
        if task.probe or (at_gold and task.deaths >= _DEATHS):
            self._set(task, unscored("its gold ends the process (memory or stack)", "crash"))
            return
        if task.deaths >= _DEATHS:
            item = task.item
            self._probes[task.number] = _wrong(item, "it ends the process that reads it (memory or stack)", "crash")
            try:
                stated = state_of(item.gold, item.verifier, item.params)
            except ValueError as error:
                self._set(task, unscored(f"{CANNOT_USE}{error}"))
                return
            task.item = VerifyItem(stated, item.gold, item.verifier, item.params, item.options, "plain")
            task.probe = True
        self.todo.appendleft(task)

    def _stop(self) -> None:
        """The batch has no time left: what used its own is wrong, and of the rest nobody can tell."""
        for process in list(self.processes):
            if process.outstanding:
                if process.working and process.outstanding[0].whole and not process.at_gold and process.used_half():
                    task = process.outstanding.popleft()
                    self._set(task, _wrong(task.item, "no verdict within the batch's time", "timeout"))
                self.todo.extend(process.outstanding)
                process.kill()
                self.processes.remove(process)
        for task in self.todo:
            self._set(task, unscored("the batch had no time for it", "timeout"))
        self.todo.clear()

    def _set(self, task: Task, verdict: Verdict) -> None:
        self.slots[task.number - self.first] = verdict


def _wrong(item: VerifyItem, explanation: str, tier: Tier) -> Verdict:
    """Zero points for an answer that was found, and could have been read with more time or memory."""
    shown = (answer_span(item.response, item.tags) or item.response)[:SHOWN]
    return Verdict(0.0, False, shown, explanation, tier, parsed_response=shown)

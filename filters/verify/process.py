"""One killable worker process, its pipe and its clock."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import deque
from typing import Any

from filters.verify.verifier import VerifyItem
from filters.verify.worker import encode

START_SECONDS = 120.0
"""A process that says nothing for this long while it loads its libraries is given up."""
STARVED = 5.0
"""Under load an item may take this many budgets of wall clock, if it got less than half a budget of CPU time."""
_PROGRAM = "from filters.verify.worker import main; main()"


class WorkerProcess:
    """A running `worker.main`. `outstanding` are the items it was given, the one in work first."""

    def __init__(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.stdin, self.stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self.stdin, False)
        os.set_blocking(self.stdout, False)
        self.outstanding: deque[tuple[int, VerifyItem]] = deque()
        self.ready = False
        self.served = 0
        self._unsent = bytearray()
        self._unread = bytearray()
        self._started = False
        self._since = time.monotonic()
        self._cpu = 0.0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def wants_write(self) -> bool:
        return bool(self._unsent)

    def give(self, number: int, item: VerifyItem) -> None:
        """Queues an item; `send` moves it."""
        if not self.outstanding:
            self._since = time.monotonic()
        self.outstanding.append((number, item))
        self._unsent += encode(number, item)

    def send(self) -> None:
        """Writes what the pipe takes."""
        try:
            written = os.write(self.stdin, memoryview(self._unsent)[: 1 << 16])
        except BlockingIOError:
            return
        except OSError:  # it died; reading will say so
            self._unsent.clear()
            return
        del self._unsent[:written]

    def receive(self) -> list[tuple[int, list[Any]]] | None:
        """The verdicts that have arrived, as (number, fields); None when the process has ended."""
        try:
            data = os.read(self.stdout, 1 << 20)
        except BlockingIOError:
            return []
        if not data:
            return None
        self._unread += data
        *lines, rest = bytes(self._unread).split(b"\n")
        self._unread = bytearray(rest)
        return [done for line in lines if (done := self._message(json.loads(line))) is not None]

    def overdue(self, budget_s: float) -> bool:
        """Whether the item in work has used up its budget. Call only when nothing is left to receive."""
        waited = time.monotonic() - self._since
        if not self.outstanding:
            return False
        if not self._started:
            return waited > START_SECONDS
        if waited < budget_s:
            return False
        used = cpu_seconds(self.pid)
        return waited >= STARVED * budget_s or used is None or used - self._cpu >= budget_s / 2

    def seconds_left(self, budget_s: float) -> float:
        """How long to wait before asking `overdue` again."""
        left = (budget_s if self._started else START_SECONDS) - (time.monotonic() - self._since)
        return max(0.02, left)

    def kill(self) -> None:
        """Ends the process at once and reaps it."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _message(self, message: list[Any]) -> tuple[int, list[Any]] | None:
        self._since = time.monotonic()
        if message[0] == "ready":
            self.ready = True
            return None
        self._started = message[0] == "start"
        if self._started:
            self._cpu = cpu_seconds(self.pid) or 0.0
            return None
        self.outstanding.popleft()
        self.served += 1
        return message[1], message[2]


def cpu_seconds(pid: int) -> float | None:
    """CPU time of a process so far; None where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None

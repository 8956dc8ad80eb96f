"""Worker processes as the pool sees them: a socket, a clock, and a way to end them."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from typing import Any, Literal

from filters.verify.task import Task
from filters.verify.worker import encode

START_SECONDS = 120.0
"""A process that says nothing for this long while it loads its libraries is given up."""
STARVED = 5.0
"""Under load an item may take this many turns of wall clock, if it did not get one as CPU time."""
_WHOLE = 0.9
"""Of a turn; so much CPU time is all of it. The system counts in hundredths of a second."""
Overdue = Literal["spent", "starved"]
_PROGRAM = f"from {__package__}.worker import main; main()"  # also where the code is shipped under another name


class Nursery:
    """The process that workers are forked from. It starts with the first worker and ends, with all of them, at `close`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def spawn(self) -> "WorkerProcess":
        """A new worker; it may still be loading."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            if self._process is None or self._process.poll() is not None or self._control is None:
                self._start()
            assert self._control is not None
            with contextlib.suppress(OSError):  # the nursery has died: the worker's socket closes, which says so
                socket.send_fds(self._control, [b"w"], [theirs.fileno()])
        return WorkerProcess(ours)

    def close(self) -> None:
        """Ends the nursery and every worker that still runs."""
        with self._lock:
            if self._control is not None:
                self._control.close()
            if self._process is not None:
                with contextlib.suppress(OSError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = self._control = None

    def _start(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        if self._control is not None:
            self._control.close()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=environment,
            )


class WorkerProcess:
    """A running worker. `outstanding` are the tasks it was given, the one in work first."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.pid: int | None = None
        self.outstanding: deque[Task] = deque()
        self.at_gold = False
        self.served = 0
        self._unsent = bytearray()
        self._unread = bytearray()
        self._started = False
        self._since = time.monotonic()
        self._cpu = 0.0

    @property
    def ready(self) -> bool:
        return self.pid is not None

    @property
    def working(self) -> bool:
        """Whether it has begun with the first of its items."""
        return self._started and bool(self.outstanding)

    @property
    def wants_write(self) -> bool:
        return bool(self._unsent)

    def give(self, task: Task) -> None:
        """Queues a task; `send` moves it. Raises ValueError or TypeError where the item is none that can be sent."""
        line = encode(task.number, task.item)
        if not self.outstanding:
            self._since = time.monotonic()
        self.outstanding.append(task)
        self._unsent += line

    def send(self) -> None:
        """Writes what the socket takes."""
        try:
            written = self.socket.send(memoryview(self._unsent)[: 1 << 16])
        except BlockingIOError:
            return
        except OSError:  # it died; reading will say so
            self._unsent.clear()
            return
        del self._unsent[:written]

    def receive(self) -> list[tuple[int, list[Any]]] | None:
        """The verdicts that have arrived, as (number, fields); None when the process has ended."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self._unread += data
        *lines, rest = bytes(self._unread).split(b"\n")
        self._unread = bytearray(rest)
        return [done for line in lines if (done := self._message(json.loads(line))) is not None]

    def overdue(self) -> Overdue | None:
        """Whether the task in work has used up its turn, or could not because the machine gave it no CPU.

        Call only when nothing is left to receive.
        """
        waited = time.monotonic() - self._since
        if not self.outstanding:
            return None
        if not self._started:
            return "starved" if waited > START_SECONDS else None
        turn = self.outstanding[0].turn_s
        if waited < turn:
            return None
        used = cpu_seconds(self.pid)
        if used is None or used - self._cpu >= _WHOLE * turn:
            return "spent"
        return "starved" if waited >= STARVED * turn else None

    def used_half(self) -> bool:
        """Whether the task in work had half of its turn, at least."""
        used = cpu_seconds(self.pid)
        return used is None or used - self._cpu >= self.outstanding[0].turn_s / 2

    def seconds_left(self) -> float:
        """How long to wait before asking `overdue` again."""
        turn = self.outstanding[0].turn_s if self._started and self.outstanding else START_SECONDS
        return max(0.02, turn - (time.monotonic() - self._since))

    def kill(self) -> None:
        """Ends the process at once. One that has not sent its number yet is asked for it first."""
        if self.pid is None and select.select([self.socket], [], [], 1.0)[0]:
            self.receive()
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.socket.close()

    def _message(self, message: list[Any]) -> tuple[int, list[Any]] | None:
        self._since = time.monotonic()
        if message[0] == "ready":
            self.pid = message[1]
            return None
        self._started = message[0] != "done"
        self.at_gold = message[0] == "start"
        if self._started:
            self._cpu = cpu_seconds(self.pid) or 0.0
            return None
        self.outstanding.popleft()
        self.served += 1
        return message[1], message[2]


def cpu_seconds(pid: int | None) -> float | None:
    """CPU time of a process so far; None where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None

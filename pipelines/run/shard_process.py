"""A process that computes buckets for a build, as the build sees it.

It is a program of its own rather than a child of `multiprocessing`: it must never run a notebook's or a script's main module
again, nor inherit threads, locks or a CUDA context.
"""

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pipelines.run import shard_program
from pipelines.run.shard_program import BROKEN, OPENED, ROWS

_PROGRAM = f"from {shard_program.__name__} import main; main()"


class ShardProcess:
    """A running process; `work` is what it was given."""

    def __init__(self, opening: bytes) -> None:
        ours, theirs = socket.socketpair()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path),
            "POLARS_MAX_THREADS": "1",  # as many processes as there are cores: threads of theirs would only wait
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the build, which ends its processes
                env=environment,
            )
        self.connection: Connection = Connection(ours.detach())
        self.work: tuple[int, tuple[Any, ...]] | None = None
        self.opened = False
        self.trouble = ""
        self._send(opening)

    @property
    def pid(self) -> int:
        return self._process.pid

    def give(self, task: tuple[Any, ...], work: tuple[int, tuple[Any, ...]]) -> None:
        """Have it do a task for a bucket."""
        self.work = work
        self._send(pickle.dumps((*task, *work)))

    def take(self) -> tuple[int, tuple[Any, ...]]:
        """What it was given, which it no longer has."""
        work, self.work = self.work, None
        assert work is not None
        return work

    def receive(self) -> tuple[str, Any] | None:
        """The next that it says; None where it has ended. Blocks while there is nothing."""
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            return None
        if kind == BROKEN:
            self.trouble = value
            return None
        if kind == OPENED:
            self.opened = True
            return ROWS, 0
        return kind, value

    def kill(self) -> str:
        """End it; by what it ended: a signal, or its own code."""
        self.connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)  # one that has died by itself says how
        self._process.kill()
        code = self._process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # it has died; receiving says so
            self.connection.send_bytes(data)

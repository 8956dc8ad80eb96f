"""What a process does to files, one operation after the other, to be failed or killed at any of them.

Python tells an audit hook of every file that is opened, made, renamed, removed or locked, before that is done; whatever the
hook raises comes out of that operation, as if the system had refused it. So no test needs to know who opens what.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EVENTS = {
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.truncate",
    "os.utime",
    "os.link",
    "shutil.rmtree",
}
WRITES = ("write", "fsync", "fdatasync", "ftruncate")
Act = Callable[[int, str, str], None]
"""Gets the number of an operation (from 1), its kind and its path; what it raises comes out of the operation."""

_watching: list[tuple[str, Act, list[int]]] = []
_hooked: list[bool] = []


class Killed(BaseException):
    """Nothing catches it but what catches everything, and nothing that a process does after it comes to anything."""


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _watching or event not in EVENTS:
        return
    path = args[1] if event == "os.rename" else args[0]
    if not isinstance(path, (str, bytes, os.PathLike)):
        return
    name = os.fsdecode(path)
    root, act, count = _watching[-1]
    if name.startswith(root):
        count[0] += 1
        act(count[0], event, name[len(root) :])


@contextmanager
def watched(root: Path, act: Act) -> Iterator[list[int]]:
    """Call `act` before each operation on files below `root`, in this process; yields the count of them."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    count = [0]
    _watching.append((str(root), act, count))
    try:
        yield count
    finally:
        _watching.pop()


@contextmanager
def watched_writes(root: Path, act: Act) -> Iterator[list[int]]:
    """Call `act` before each write to an open file below `root`, and each sync of one, of which no hook is told."""
    count, lock, real = [0], threading.Lock(), {name: getattr(os, name) for name in WRITES}

    def watch(name: str) -> Callable[..., Any]:
        def call(file: Any, *args: Any) -> Any:
            path = str(Path(f"/proc/self/fd/{file if isinstance(file, int) else file.fileno()}").readlink())
            if path.startswith(str(root)):
                with lock:
                    count[0] += 1
                    number = count[0]
                act(number, f"os.{name}", path)
            return real[name](file, *args)

        return call

    for name in WRITES:
        setattr(os, name, watch(name))
    try:
        yield count
    finally:
        for name, call in real.items():
            setattr(os, name, call)


def dies_at(number: int) -> Act:
    """From that operation on, everything fails: what a kill leaves on the disk, with the clearing up that it prevents."""

    def act(count: int, event: str, path: str) -> None:
        if count >= number:
            raise Killed(f"{event} {path}")

    return act


def fails_at(number: int, code: int) -> Act:
    """That operation, and no other, fails with an error of the system."""

    def act(count: int, event: str, path: str) -> None:
        if count == number:
            raise OSError(code, os.strerror(code), path)

    return act

"""Whose file it is, as its name says: a second guard beside locks, for file systems that grant every lock that is asked for
(NFS with `local_lock`).

A process is known by its host, its number and its start, so a number that was given again is another process. A host is its
name, its machine and its space of process numbers: whoever sees the same numbers can tell whether the owner lives. Of
others, only the age of a file tells: a living owner touches what is his every BEAT seconds, and who did not for LEASE
seconds is dead.
"""

import logging
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from schemas.ids import hash_text

BEAT = 5.0
LEASE = 30.0
LOOK_SECONDS = 1.0

logger = logging.getLogger(__name__)

_HELD: set[str] = set()
"""What this process owns now: it may have died in a thread, or in a test, and left files that are nobody's."""
_MACHINE = Path("/etc/machine-id")
_NAME = re.compile(r"\.?\w+-(?P<host>\w+)-(?P<pid>\d+)-(?P<start>\w+)-\w+\.\w+")


class Owner(NamedTuple):
    """A process of some host."""

    host: str
    pid: int
    start: str

    def __str__(self) -> str:
        return f"{self.host}-{self.pid}-{self.start}"

    def lives(self) -> bool | None:
        """Whether the process lives; None where it is one of another host."""
        if self.host != this_host():
            return None
        found = start_of(self.pid)
        return found is not None and (found == self.start or "unknown" in (found, self.start))


def me() -> Owner:
    """This process."""
    return Owner(this_host(), os.getpid(), start_of(os.getpid()) or "unknown")


def owner_in(name: str) -> Owner | None:
    """The owner that the name of a file tells (`what-<owner>-which.type`); None where it tells none."""
    found = _NAME.fullmatch(name)
    return None if found is None else Owner(found["host"], int(found["pid"]), found["start"])


def is_dead(owner: str) -> bool:
    """Whether an owner (as its text) is known to be gone: of another host nobody knows."""
    found = owner_in(f"of-{owner}-it.x")
    return found is not None and (found == me() or found.lives() is False)


def is_owned(path: Path, *, patient: bool = True) -> bool:
    """Whether the owner that the name of a file tells still has it.

    One of another host is watched for LEASE seconds at most; without `patient`, a young one counts as owned.
    """
    owner = owner_in(path.name)
    if owner is None:
        return False
    if owner == me():
        return str(path) in _HELD
    lives = owner.lives()
    if lives is None:
        return bool(watch(path)) if patient else _is_young(path)
    return lives


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Own a file or folder that has this process in its name for the time of the block; it is touched all the while."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            try:
                os.utime(path)
            except FileNotFoundError:
                return
            except OSError:  # a file server that is away for a moment
                continue

    _HELD.add(str(path))
    threading.Thread(target=beat, name=f"owner of {path.name}", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        _HELD.discard(str(path))


def watch(path: Path) -> bool | None:
    """Whether a file of another host is touched before its lease is over; None where it is gone.

    The clock of its file system says how much of that is over, but clocks jump: it is watched for two beats at least, in
    which a living owner touches it.
    """
    started = time.monotonic()
    try:
        touched = path.stat().st_mtime
        age = _now(path.parent) - touched
        left = min(LEASE, max(LEASE - age, 2 * BEAT))
        logger.warning("Waiting for %s, whose owner may live on another host, for %.0f s at most.", path, left)
        while time.monotonic() - started < left:
            time.sleep(LOOK_SECONDS)
            if path.stat().st_mtime != touched:
                return True
    except FileNotFoundError:
        return None
    return False


def _is_young(path: Path) -> bool:
    try:
        return _now(path.parent) - path.stat().st_mtime < LEASE
    except FileNotFoundError:
        return False


def _now(folder: Path) -> float:
    """The time by the clock of a folder's file system."""
    clock = folder / f".clock-{uuid.uuid4().hex}.tmp"
    clock.touch()
    try:
        return clock.stat().st_mtime
    finally:
        clock.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def this_host() -> str:
    name, facts = re.sub(r"[^0-9A-Za-z]+", "_", socket.gethostname())[:40], ""
    with suppress(OSError):
        facts += str(Path("/proc/self/ns/pid").readlink())
    with suppress(OSError, ValueError):  # many machines are called localhost, and all begin with one space of numbers
        facts += _MACHINE.read_text(encoding="ascii").strip()
    return f"{name}_{hash_text(facts)[:8]}"


def start_of(pid: int) -> str | None:
    """What tells a process from others of its number, also of before a restart of the machine; None where it is dead.

    "unknown" where it lives and the system does not say when it began.
    """
    try:
        facts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        if facts[0] in "ZX":  # dead, and nobody has asked yet what became of it
            return None
        ticks = facts[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return hash_text(f"{boot} {ticks}")[:8]
    except (OSError, IndexError):
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return None
        except PermissionError:
            pass
        return "unknown"

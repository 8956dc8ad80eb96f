"""A journal: one process's file of JSON lines, each written the moment it is known, so that kill -9 loses only what was
in flight.

A journal has an owner while it is locked; the kernel lets go of the lock when its process dies, however it does. It gets
its name only once it is locked, so that no healer ever sees one whose owner is about to lock it. Whoever opens the log
next takes over the journals of the dead; of several who try, one gets each.
"""

import fcntl
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.store.workspace import replacing, store_errors
from schemas.errors import StoreError
from schemas.ids import hash_text

Fault = Callable[[Any], str | None]
"""What is wrong with a line's value: a clause, or None where it is a row of the log."""


class Journal:
    """An open, locked journal. `Journal.new` makes one, `dead_journals` takes over those of the dead."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def new(cls, folder: Path) -> "Journal":
        """Make a journal of this process. Raises StoreError where the file system grants no locks."""
        name = f"journal-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        hidden, path = folder / f".{name}.tmp", folder / name
        with store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(hidden, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                if not _lock(descriptor):
                    raise StoreError(f"Cannot write to {path}: another process holds a file that is new.")
                hidden.rename(path)
            except BaseException:
                os.close(descriptor)
                hidden.unlink(missing_ok=True)
                raise
        return cls(path, descriptor)

    def append(self, data: bytes) -> None:
        """Write whole lines, or none. When this returns, kill -9 cannot lose them."""
        with store_errors(self.path):
            before = os.fstat(self._descriptor).st_size
            try:
                while data:  # `os.write` may take only a part of them before a disk is full
                    data = data[os.write(self._descriptor, data) :]
            except BaseException:
                os.ftruncate(self._descriptor, before)  # the next line would be read as the end of a torn one
                raise

    def read(self) -> bytes:
        """Everything in it, by the open file: also where something has taken the name away."""
        with store_errors(self.path):
            size = os.fstat(self._descriptor).st_size
            parts, at = [], 0
            while at < size and (part := os.pread(self._descriptor, size - at, at)):
                parts.append(part)
                at += len(part)
            return b"".join(parts)

    def remove(self) -> None:
        """Take the name away, then let go of the lock: whoever gets it after us sees that there is nothing to heal."""
        try:
            with store_errors(self.path):
                self.path.unlink(missing_ok=True)
        finally:
            self.release()

    def release(self) -> None:
        """Let go of the lock and leave the file where it is."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def dead_journals(folder: Path) -> Iterator[Journal]:
    """The journals whose owners are gone, each locked for as long as the caller looks at it.

    One that lives, or that another healer has taken or removed meanwhile, is passed over.
    """
    for path in sorted(folder.glob("journal-*.jsonl")):
        journal = _take_over(path)
        if journal is None:
            continue
        try:
            yield journal
        finally:
            journal.release()


def _take_over(path: Path) -> Journal | None:
    with store_errors(path):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        journal = Journal(path, descriptor)
        try:
            # Whoever held it before us may have healed it and taken its name away between our opening and our lock.
            mine = _lock(descriptor) and os.fstat(descriptor).st_nlink > 0
        except BaseException:
            journal.release()
            raise
        if not mine:
            journal.release()
            return None
        return journal


def _lock(descriptor: int) -> bool:
    """Lock a file for this process; False where another holds it, OSError where the file system cannot say."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Lines(NamedTuple):
    """What a journal holds: its rows, and the lines that are none, each with what is wrong with it."""

    rows: list[dict[str, Any]]
    odd: list[tuple[bytes, str]]


def read_lines(data: bytes, fault: Fault) -> Lines:
    """The rows of a journal. A last line that was torn by a crash or a full disk is nobody's; an odd one costs itself."""
    found = Lines([], [])
    for line in io.BytesIO(data):
        try:
            value = json.loads(line)
            wrong = fault(value)
        except (ValueError, RecursionError) as error:
            value, wrong = None, f"it is not JSON ({type(error).__name__})"
        if wrong is None:
            found.rows.append(value)
        elif line.endswith(b"\n"):
            found.odd.append((line, wrong))
    return found


def set_aside(journal: Path, odd: list[tuple[bytes, str]]) -> Path:
    """Keep lines that are no rows in a file beside their journal, named by what it holds; returns its path."""
    data = b"".join(line for line, _ in odd)
    path = journal.parent / f"aside-{hash_text(data.hex())[:16]}.jsonl"
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return path


def to_line(row: Mapping[str, Any]) -> bytes:
    """A row as a line; ASCII, so that no byte of it can end a line but its own end."""
    return (json.dumps(row, ensure_ascii=True) + "\n").encode()

"""A journal: one process's file of JSON lines, each written the moment it is known, so that kill -9 loses only what was
in flight. A thread brings them to the disk every second: a power cut loses what came in the last one.

A journal has an owner while it is locked; the kernel lets go of the lock when its process dies, however it does. It gets
its name only once it is locked, so that no healer ever sees one whose owner is about to lock it. Whoever opens the log
next takes over the journals of the dead; of several who try, one gets each. Locks may lie, so the name of a journal also
says whose it is (`pipelines.store.owner`).
"""

import fcntl
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from pipelines.store.owner import BEAT, me, owner_in, watch
from pipelines.store.workspace import store_errors, sync_folder
from schemas.errors import StoreError

SYNC_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Journal:
    """An open, locked journal. `Journal.new` makes one, `dead_journals` takes over those of the dead."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._unsynced = False
        self._failed: OSError | None = None

    @classmethod
    def new(cls, folder: Path) -> "Journal":
        """Make a journal of this process. Raises StoreError where the file system grants no locks."""
        name = f"journal-{me()}-{uuid.uuid4().hex[:8]}.jsonl"
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
        journal = cls(path, descriptor)
        threading.Thread(target=journal._beat, name=f"sync of {name}", daemon=True).start()
        return journal

    def append(self, data: bytes) -> None:
        """Write whole lines, or none. When this returns, kill -9 cannot lose them, and a second later no power cut."""
        with store_errors(self.path):
            if self._failed is not None:
                raise self._failed
            before = os.fstat(self._descriptor).st_size
            try:
                while data:  # `os.write` may take only a part of them before a disk is full
                    data = data[os.write(self._descriptor, data) :]
            except BaseException:
                os.ftruncate(self._descriptor, before)  # the next line would be read as the end of a torn one
                raise
            self._unsynced = True

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
        """Take the name away, then let go of the lock: whoever gets it after us sees that there is nothing to heal.

        StoreError where the disk did not take a line: what it held is elsewhere by now, but that disk is not to be trusted.
        """
        try:
            with store_errors(self.path):
                self.path.unlink(missing_ok=True)
        finally:
            self.release()
        with store_errors(self.path):
            if self._failed is not None:
                raise self._failed

    def give_up(self) -> None:
        """Leave it to whoever heals next: it is nobody's from now on, though its owner lives."""
        try:
            _sync(self._descriptor)
            self.path.rename(self.path.with_name(f"journal-{uuid.uuid4().hex}.jsonl"))
        except OSError as error:
            logger.warning("%s stays until this process ends (%s).", self.path, error.strerror)
        self.release()

    def release(self) -> None:
        """Let go of the lock and leave the file where it is."""
        self._ended.set()
        with self._guard:
            if self._descriptor >= 0:
                descriptor, self._descriptor = self._descriptor, -1
                os.close(descriptor)

    def _beat(self) -> None:
        """Bring the lines to the disk once a second, and the name with the first; touch the file while its owner lives."""
        named, touched = False, time.monotonic()
        while not self._ended.wait(SYNC_SECONDS):
            with self._guard:
                if self._descriptor < 0:
                    return
                try:
                    if self._unsynced:
                        self._unsynced = False
                        _sync(self._descriptor)
                        if not named:
                            sync_folder(self.path.parent)
                            named = True
                    if time.monotonic() - touched > BEAT:
                        os.utime(self._descriptor)
                        touched = time.monotonic()
                except OSError as error:  # told where the next line is written, or the journal ends
                    self._failed = error
                    return


def dead_journals(folder: Path) -> Iterator[Journal]:
    """The journals whose owners are gone, each locked for as long as the caller looks at it.

    One whose owner lives, or that another healer has taken or removed meanwhile, is passed over. An owner on another host
    lives as long as his journal is touched; where that is not known yet, it is waited for.
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
            mine = _lock(descriptor) and os.fstat(descriptor).st_nlink > 0 and not _lives(journal)
        except BaseException:
            journal.release()
            raise
        if not mine:
            journal.release()
            return None
        return journal


def _lives(journal: Journal) -> bool:
    """Whether the owner that the name tells lives, although the lock was to be had."""
    owner = owner_in(journal.path.name)
    lives = False if owner is None else owner.lives()
    return watch(journal.path) is not False if lives is None else lives  # one that is gone became a part


def _sync(descriptor: int) -> None:
    os.fdatasync(descriptor) if hasattr(os, "fdatasync") else os.fsync(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a file for this process; False where another holds it, OSError where the file system cannot say."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Folders for what a process writes only to read it again: private to it, gone when it is done or dead."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.store.owner import is_owned, me, owned
from pipelines.store.workspace import store_errors

SCRATCH = ".scratch"


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A new folder below `parent`/.scratch; nobody else gets it, and it is removed after the block.

    Those that dead processes left there are removed too. The kernel holds a lock on the folder for as long as its owner
    lives, so what is locked is left alone; so is what has a living owner in its name, for locks may lie.
    """
    home = parent / SCRATCH
    with store_errors(home):
        sweep(home)
        folder, lock = _make(home)
        try:
            with owned(folder):
                yield folder
        finally:
            try:
                shutil.rmtree(folder, ignore_errors=True)
            finally:  # also where an interrupt ends the clearing up: what is left is nobody's
                os.close(lock)


def sweep(home: Path) -> None:
    """Remove the scratch folders of dead processes."""
    for folder in abandoned(home):
        shutil.rmtree(folder, ignore_errors=True)


def abandoned(home: Path) -> Iterator[Path]:
    """The scratch folders below `home` whose owners are dead. Each is locked while the caller deals with it."""
    for folder in sorted(home.glob("*")) if home.is_dir() else ():
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not is_owned(folder, patient=False):
                yield folder
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


def is_locked(folder: Path) -> bool:
    """Whether a living process holds the lock of a folder."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _make(home: Path) -> tuple[Path, int]:
    """A new folder and the descriptor that holds its lock. A sweeper may take one before it is locked: then another."""
    while True:
        try:
            home.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=home, prefix=f"of-{me()}-", suffix=".d"))
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # swept
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.is_dir() and os.path.samestat(folder.stat(), os.fstat(lock)):
                return folder, lock
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)

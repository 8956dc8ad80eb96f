"""A folder that is whole or not there: written under a hidden name beside its place, then renamed."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def becoming(target: Path) -> Iterator[Path]:
    """A folder beside `target` that takes its place when the block ends well, and is gone when it does not.

    A killed process leaves its hidden folder; the next export removes it, or puts back the old export that it had moved.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    scratch = target.with_name(f".{target.name}.new-{os.getpid()}")
    old = target.with_name(f".{target.name}.old-{os.getpid()}")
    scratch.mkdir()
    claim = os.open(scratch, os.O_RDONLY)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX)  # lets others know that this one is alive; the kernel lets go when it is not
        yield scratch
        if target.exists():
            target.rename(old)
        scratch.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        os.close(claim)
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(scratch, ignore_errors=True)


def _sweep(target: Path) -> None:
    """Clear up after exports to `target` that were killed; one that is at work is left alone."""
    for left in target.parent.glob(f".{target.name}.old-*"):
        if target.exists():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.rename(target)
    for left in target.parent.glob(f".{target.name}.new-*"):
        claim = os.open(left, os.O_RDONLY)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(claim)

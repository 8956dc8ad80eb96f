"""Holding a place: for one process, or for several that share it. A build holds its folder, `curate gc` the workspace, and
whoever claims answers the door to claims.

Two guards, and both have to let in. The kernel locks a file and lets go when its owner dies, however it does. But some file
systems grant every lock (NFS without a lock daemon, some FUSE), so an owner also makes a *mark* beside the file, which has
his name (`pipelines.store.owner`). He makes it first, and looks for those of others then: of two who come at once, one at
least sees the other.
"""

import fcntl
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.store.owner import LEASE, is_owned, me, owned, owner_in

_TURN_SECONDS = 0.2


class HeldError(Exception):
    """Somebody else holds the place. Its text is a sentence that says who, after a blank; empty where nobody knows."""


@contextmanager
def holding(lock: Path, *, shared: bool = False, wait: bool = False) -> Iterator[None]:
    """Hold a place by its lock file, alone or `shared`; `wait` until it is free.

    Raises HeldError, and OSError where the file system grants no locks.
    """
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise HeldError(_who(next(_marks(lock, shared=shared), None))) from None
        while True:
            mark = lock.with_name(f"{lock.name}-{me()}-{uuid.uuid4().hex[:8]}.{'shared' if shared else 'alone'}")
            try:
                mark.touch(exist_ok=False)
                with owned(mark):
                    other = next((m for m in _marks(lock, shared=shared) if m != mark and _counts(m)), None)
                    if other is None:
                        yield
                        return
            finally:
                mark.unlink(missing_ok=True)
            if not wait:
                raise HeldError(_who(other))
            time.sleep(random.uniform(0.5, 1.5) * _TURN_SECONDS)


def _marks(lock: Path, *, shared: bool) -> Iterator[Path]:
    """The marks of those who keep others out."""
    kind = "alone" if shared else "*"
    yield from sorted(lock.parent.glob(f"{lock.name}-*.{kind}"))


def _counts(mark: Path) -> bool:
    """Whether the owner of a mark lives; that of a dead one is removed."""
    if is_owned(mark):
        return True
    mark.unlink(missing_ok=True)
    return False


def _who(mark: Path | None) -> str:
    owner = None if mark is None else owner_in(mark.name)
    if owner is None:
        return ""
    if owner.host == me().host:
        return f" It is process {owner.pid} of this machine."
    host = owner.host.rpartition("_")[0]
    return (
        f" It is process {owner.pid} of {host}, which touched {mark} less than {LEASE:.0f} s ago: stop it there, or wait so "
        "long after it has ended."
    )

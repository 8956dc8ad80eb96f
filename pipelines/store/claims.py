"""Claims: what a process is about to ask models for, so that another one that wants the same waits for it instead of paying
twice.

A claim is a table of prompt keys below `log/completions/claims/`. It counts while its owner holds a lock on it, and the
kernel lets go of that when the owner dies, however it does; where locks lie, while the owner in its name lives. Claims are
made one at a time, behind a door: whoever is in it looks at the log, leaves out what others have claimed, and claims the
rest. Nobody waits for another while holding a claim, so no two can wait for each other. An owner's answers are parts of the
log before his claim ends; where he dies, they are in his journal, which is waited for and healed before anything of it is
claimed anew. Where the workspace lies in an object store, claims and the door are leases there too
(`pipelines.remote.published_claims`).
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pipelines.remote.places import copy_of
from pipelines.store.holding import holding
from pipelines.store.key_database import copy_to, key_database
from pipelines.store.memory import Memory
from pipelines.store.named_table import is_named, put_named
from pipelines.store.owner import is_dead, is_owned, me, owned
from pipelines.store.scratch import scratch
from pipelines.store.table_files import as_sql, scan_table
from pipelines.store.workspace import store_errors

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
LOOK_SECONDS = 30.0
"""Whoever waits looks into the log so often: what it wants may be there long before the other is done."""


@dataclass(frozen=True)
class Claimed:
    """What came of claiming: how many samples are ours to ask, and what is left to others, if anything is.

    `rest` is a table of the prompts that others ask (`prompt_key`), of `elsewhere` samples, and `owners` are the files that
    they hold.
    """

    ours: int
    elsewhere: int
    rest: Path
    owners: tuple[Path, ...]

    def wait(self, heard: Callable[[], object] = lambda: None) -> None:
        """Wait until another is done or dead, or it is time to look into the log again; calls `heard` meanwhile."""
        until = time.monotonic() + LOOK_SECONDS
        while time.monotonic() < until and all(map(_is_held, self.owners)):
            heard()
            time.sleep(POLL_SECONDS)


class Claims:
    """The claims on the completions log in `log`."""

    def __init__(self, log: Path, memory: Memory) -> None:
        self._log = log
        self._folder = log / "claims"
        self._memory = memory
        self._copy = copy_of(log)

    def rest(self, missing: Path) -> Path:
        """Where what others ask of the table `missing` is written."""
        return missing.with_name(f"{missing.stem}-elsewhere.parquet")

    @contextmanager
    def claim(self, missing: Path, find: Callable[[], int]) -> Iterator[Claimed]:
        """Claim what nobody has answered or claimed, for the time of the block.

        `find` writes the table `missing` (`id, prompt_key, indexes`) and returns how many samples it has; what others ask
        is taken out of it.
        """
        with ExitStack() as held:
            with self._door():
                dead, living = self._others()
                if self._copy is not None:
                    living += self._copy.claims.others(self._folder, is_dead)
                dying = self._dying(living)
                total = 0 if dying else find()
                for path in dead:
                    path.unlink(missing_ok=True)
                rest = self.rest(missing)
                elsewhere = self._leave_out(missing, living, rest) if total and living else 0
                if total > elsewhere:
                    held.enter_context(self.held(missing))
            yield Claimed(total - elsewhere, elsewhere, rest, (*dying, *living) if elsewhere or dying else ())

    @contextmanager
    def _door(self) -> Iterator[None]:
        with store_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with holding(self._folder / ".lock", wait=True):
                if self._copy is None:
                    yield
                else:
                    with self._copy.claims.door(str(me()), is_dead):
                        yield

    def _others(self) -> tuple[list[Path], list[Path]]:
        """The claims whose owners are gone, and those whose owners live."""
        found: tuple[list[Path], list[Path]] = ([], [])
        for path in sorted(self._folder.glob("claim-*.parquet")):
            found[_is_held(path)].append(path)
        return found

    def _dying(self, living: Sequence[Path]) -> list[Path]:
        """Journals held by a process without a claim: the kernel lets go of the files of the dead one by one."""
        owners = {_owner(path) for path in living}
        journals = (path for path in sorted(self._log.glob("journal-*.jsonl")) if _owner(path) not in owners)
        return [path for path in journals if _is_held(path)]

    def _leave_out(self, missing: Path, living: Sequence[Path], rest: Path) -> int:
        """Divide the table `missing`: what others claimed goes to `rest`. Returns how many samples that are.

        A claim that is damaged may be one on anything, so all is left to its owner, until he is done.
        """
        claims = as_sql(living)
        if damaged := [path for path in living if not is_named(path)]:
            logger.warning("%s is damaged: its owner is waited for.", damaged[0])
            claims = as_sql([missing])
        with scratch(missing.parent) as folder, key_database(self._folder, self._memory, folder) as db:
            db.execute(f"CREATE VIEW missing AS SELECT * FROM read_parquet({as_sql([missing])})")
            db.execute(f"CREATE VIEW claimed AS SELECT DISTINCT prompt_key FROM read_parquet({claims})")
            copy_to(db, "SELECT * FROM missing SEMI JOIN claimed USING (prompt_key)", rest)
            ours = folder / "ours.parquet"
            copy_to(db, "SELECT * FROM missing ANTI JOIN claimed USING (prompt_key) ORDER BY id, prompt_key", ours)
            found = db.execute(f"SELECT coalesce(sum(len(indexes)), 0) FROM read_parquet({as_sql([rest])})").fetchone()
            ours.replace(missing)
        assert found is not None
        return int(found[0])

    @contextmanager
    def held(self, missing: Path) -> Iterator[None]:
        """A claim on the prompts of the table `missing`, which nobody else has claimed but whom this process asks for: its
        journal is the one of a living owner then, for which nobody waits who wants something else."""
        with store_errors(self._folder):
            path = put_named(scan_table(missing).select("prompt_key"), self._folder, f"claim-{me()}", keep=False)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with store_errors(path):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = nullcontext() if self._copy is None else self._copy.claims.held(path, str(me()))
            with owned(path), there:
                yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def dead_claims(log: Path) -> list[Path]:
    """The claims on the completions log in `log` whose owners are gone."""
    return [path for path in sorted((log / "claims").glob("claim-*.parquet")) if not _is_held(path)]


def _is_held(path: Path) -> bool:
    """Whether a living process holds a file, by its lock or, where locks lie, by its name; one that is gone is nobody's."""
    copy = copy_of(path)
    if copy is not None and copy.claims.is_one(path):
        return copy.claims.is_there(path)
    with store_errors(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:  # shared, so that two who look do not take each other for the owner
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return is_owned(path)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)


def _owner(path: Path) -> str:
    """Whose a claim or a journal is: `claim-<owner>-<which>.parquet`."""
    return path.stem.partition("-")[2].rpartition("-")[0]

"""The working copy of a workspace that lies in an object store.

All that is large in a workspace never changes once it has its name (parts of logs, images, tables, files of releases), so it
is fetched when it is first read, and sent when it is there for good. What does change is small: a head for each build
(`pipelines.remote.head`), which names the record that is published and with it all tables. So whoever reads sees a build
before or after a step, never in between.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import chain
from pathlib import Path

from pipelines.remote.address import Address
from pipelines.remote.head import Head
from pipelines.remote.objects import Found
from pipelines.remote.published_builds import RECORD, PublishedBuilds
from pipelines.remote.published_claims import PublishedClaims
from pipelines.remote.published_releases import PublishedReleases
from pipelines.remote.transfer import Transfer
from pipelines.remote.trouble import ChangedError
from schemas.digests import file_hash
from schemas.errors import ConfigError

LAYOUT = 2
"""Raised when what lies where in an object store changes; a workspace of another layout is refused."""

TIDYING = "heads/gc.json"
"""The head that `curate gc` holds."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")

_KEPT = ("media", "log", "evaluation_sets")
"""Folders whose files never change, and are sent as they are."""


class WorkingCopy(Transfer):
    """The working copy in `root` of the workspace at `address`. Connects to nothing before it is used."""

    def __init__(self, address: Address, root: Path) -> None:
        super().__init__(address, root)
        self.builds = PublishedBuilds(self)
        self.releases = PublishedReleases(self, self.builds.check)
        self.claims = PublishedClaims(self)
        self._mark: Found | None = None
        self.seen = False
        self.alone = True
        """False for a process beside the one that builds, which uses its files and lets it send them."""

    def __repr__(self) -> str:
        return f"{self.address} ({self.root})"

    def refresh(self) -> None:
        """See what others have published since: one request, and one for each build and release that is new."""
        with self._guard:
            self.forget()
            heads = self.objects.list("heads", deep=True)
            other = next((n for n in heads if n.startswith("workspace-") and n != self._mark_name), None)
            if other is not None:
                raise ConfigError(f"{self.address} was written by another edition of curate ({other}); name another.")
            self._mark = heads.get(self._mark_name)
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.builds.refresh(heads)
            self.releases.refresh(heads)
            self.seen = True

    def begin(self) -> None:
        """Prepare for writing: mark the workspace as one, and send what an earlier process left to be sent.

        Where the mark is another than the one that was sent to (somebody emptied the bucket), or the machine has started
        since, which may have lost what was noted, all is sent that is not there.
        """
        known = self.state / "workspace"
        if self._mark is None:
            self._prove_conditions()
            with suppress(ChangedError):  # another was first
                self.objects.swap(f"heads/{self._mark_name}", uuid.uuid4().hex.encode(), None)
            self._mark = self.objects.list("heads")[self._mark_name]
        mark = f"{self._mark.etag} {start_of_machine()}"
        if not known.is_file() or known.read_text() != mark:
            self.each(self._owe_missing, [folder for kept in _KEPT for folder in (self.root / kept).glob("*")])
            self.state.mkdir(parents=True, exist_ok=True)
            known.write_text(mark)
        self.pay()

    def _owe_missing(self, folder: Path) -> None:
        """Note of the files of a folder what the store does not have. An image that is not what its name says is not."""
        there = self.objects.list(self.name(folder), deep=True)
        for path in folder.rglob("*"):
            found = there.get(path.relative_to(folder).as_posix())
            if not path.is_file() or not _is_sent(path) or (found is not None and found.size == path.stat().st_size):
                continue
            if not path.is_relative_to(self.root / "media") or file_hash(path) == path.stem:
                self.outbox.add(self.name(path))

    def _prove_conditions(self) -> None:
        """Raise ConfigError where the store writes whatever the condition says: nothing would keep two builds apart."""
        name = f"heads/trial-{uuid.uuid4().hex}.json"
        try:
            known = self.objects.swap(name, b"1", None)
            self.objects.swap(name, b"2", known)
            for etag in (None, known):
                with suppress(ChangedError):
                    self.objects.swap(name, b"3", etag)
                    raise ConfigError(
                        f"{self.address}: this store writes over objects whatever the condition (If-Match, If-None-Match), "
                        "so nothing would keep two builds apart; keep the workspace at another store or on a disk."
                    )
        finally:
            self.objects.delete([name])

    def helps(self, recipe: str) -> bool:
        """Whether this process computes for a build of another machine, which will publish it."""
        return self.alone and not self.builds.is_held(recipe)

    def bring(self) -> None:
        """Have all tables of all builds and releases here that are published."""
        for record in self.root.glob(f"builds/*/{RECORD}"):
            self.builds.bring(record.parent.name)
        for release in self.root.glob("releases/*/v*"):
            self.releases.complete(release)

    @contextmanager
    def tidy(self, owner: str, is_dead: Callable[[str], bool]) -> Iterator[None]:
        """Be the only one who works here, and know what is published. Raises HeldError."""
        self._tidying = Head(self.objects, TIDYING, is_dead)
        with self.builds.alone(self._tidying, owner, is_dead):
            self.refresh()
            yield

    def discard(self, paths: Iterable[Path]) -> None:
        """Delete objects, by where they lie or would lie here, within `tidy`. Raises StoreError where another process works
        here by now."""
        self.objects.delete(map(self.name, paths), self._tidying.check)

    def unnamed(self) -> Iterator[tuple[Path, int]]:
        """Objects that nothing names which is published, by where they would lie here, and their bytes."""
        for name, size in chain(self.builds.unnamed(), self.releases.unnamed()):
            yield self.root / name, size

    def tidying(self, is_dead: Callable[[str], bool]) -> bool:
        """Whether `curate gc` is at work here."""
        return Head(self.objects, TIDYING, is_dead).is_held()

    @cached_property
    def _mark_name(self) -> str:
        return f"workspace-{LAYOUT}.json"


def start_of_machine() -> str:
    """What tells this run of the machine from those before it; another one at each call where the system does not say."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return uuid.uuid4().hex


def _is_sent(path: Path) -> bool:
    """Whether a file is one that never changes: no journal, claim, lock or scratch."""
    hidden = any(part.startswith(".") for part in path.parts[-4:])
    return (
        not hidden and path.suffix != ".jsonl" and path.parent.name != "claims" and not path.name.startswith("aside-")
    )

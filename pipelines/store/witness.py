"""The tables of a build, held to what its record says of them, each once before it is read.

Whoever reads a table asks here first, so nothing is read that is not what was written. A build that has nothing to compute
reads no table, asks nothing, and proves nothing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.remote.places import copy_of
from pipelines.store.workspace import reading
from schemas.digests import SHORT, file_hash
from schemas.errors import StoreError


class Suspect(NamedTuple):
    """A table that is not what was written. `bucket` is None for one that a step keeps beside its rows."""

    step: str
    bucket: str | None
    path: Path


class Witness:
    """What the records of steps say of the files in `folder`, the folder of a build."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[tuple[Any, ...]] = set()

    def suspects(self, steps: Mapping[str, Mapping[str, Any]]) -> Iterator[Suspect]:
        """Those of the tables of some steps, by their records, that are gone or of other bytes."""
        for name, record in steps.items():
            for bucket, written in ((None, record), *record.get("buckets", {}).items()):
                for file, (_, digest) in written.get("files", {}).items():
                    path = self._folder / name / file
                    if not self.holds(path, digest):
                        yield Suspect(name, bucket, path)

    def holds(self, path: Path, digest: str) -> bool:
        """Whether a file is what was written. It is read once, unless it changes. StoreError where no file can be read.

        Of a workspace in an object store it is fetched where it is not, or not here.
        """
        if self._holds(path, digest):
            return True
        copy = copy_of(path)
        return copy is not None and copy.builds.fetch(path, digest) and self._holds(path, digest)

    def _holds(self, path: Path, digest: str) -> bool:
        try:
            with reading(path):
                found = path.stat()
                seen = (str(path), found.st_mtime_ns, found.st_size, found.st_ino, digest)
                if seen not in self._seen and file_hash(path)[:SHORT] != digest:
                    return False
        except OSError:
            return False
        self._seen.add(seen)
        return True

    def check(self, steps: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise StoreError, which names the file, where a table of some steps is not what was written."""
        for suspect in self.suspects(steps):
            raise damaged(suspect.path)


def damaged(path: Path) -> StoreError:
    """That a table is damaged or gone, with the cure."""
    if not path.exists():
        return StoreError(f"{path} is gone. Build its recipe again: what it held is computed anew.")
    return StoreError(f"{path} is damaged. Delete it and build its recipe again: what it held is computed anew.")


def is_there(path: Path, size: int, digest: str) -> bool:
    """Whether there is a table of that size, here or published; no table is read."""
    try:
        if path.stat().st_size == size:
            return True
    except (FileNotFoundError, NotADirectoryError):
        pass
    copy = copy_of(path)
    return copy is not None and copy.builds.has(path, digest)

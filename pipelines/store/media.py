"""The media store: the bytes of every image, once, under the hash of their content.

A file is `ab/cd/<sha256>.<suffix>`: 65,536 folders, so ten million files are about 150 a folder. The name is the
check, made at every read: a file whose bytes do not hash to its name is damaged, whoever wrote it. Several processes may
write at once, because two writers of one name write the same bytes and a rename is atomic.

Durability: no file is synced by itself, which would cost hours over millions of small files. A killed process loses
nothing, since renames survive it. Against a power cut, `flush` makes everything written so far durable; call it before
committing a table that names the media. `put` rewrites a stored file of the wrong size, so what a cut left behind is
mended by reading the source again; a build does that, after `set_aside`, for whatever else it meets damaged.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from pipelines.remote.places import copy_of
from pipelines.store.barrier import Barrier
from pipelines.store.links import check_links
from pipelines.store.workspace import reading, store_errors
from schemas.digests import bytes_hash, file_hash
from schemas.errors import MediaError


class Damage(NamedTuple):
    """A file of the store that is not what its name says."""

    path: Path
    cause: str


class MediaStore:
    """Content-addressed files under `root`. Nothing is created before the first `put`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._barrier: Barrier | None = None
        self._guard = threading.Lock()
        self._turn = count()

    def path(self, sha256: str) -> Path:
        """The file of a stored hash, whose bytes only `read` proves. MediaError when there is none."""
        found = self._find(sha256)
        if found is None:
            raise MediaError(f"The media store {self.root} has no file for {sha256}. {self._cure()}", sha256)
        return found

    def read(self, sha256: str) -> bytes:
        """The stored bytes, which hash to their name. MediaError when they do not, are missing or cannot be read; StoreError
        where no file can be read."""
        path = self.path(sha256)
        try:
            with reading(path):
                data = path.read_bytes()
                copy = copy_of(path)
                if copy is not None and bytes_hash(data) != sha256 and copy.fetch_again(path):
                    data = path.read_bytes()
        except OSError as error:
            raise MediaError(f"The media file {path} cannot be read: {error.strerror}.", sha256) from error
        if bytes_hash(data) != sha256:
            raise MediaError(
                f"The media file {path} is damaged: its bytes are not those of its name. {self._cure()}", sha256
            )
        return data

    def set_aside(self) -> list[Path]:
        """Hide every damaged file from readers, for `curate gc` to remove, so that `put` stores the whole one again."""
        check_links(self.root, self.root)
        with store_errors(self.root):
            found = [one.path for one in self.check() if not one.path.name.startswith(".")]
            for path in found:
                path.rename(path.with_name(f".damaged-{path.name}"))
        return found

    def put(self, data: bytes, suffix: str) -> str:
        """Store `data` and return its sha256 (64 hex digits). `suffix` is without a dot: "png".

        Writing the same bytes again costs one `stat`. StoreError on a full disk or a store that may not be written.
        """
        sha256 = bytes_hash(data)
        path = self._folder(sha256) / f"{sha256}.{suffix}"
        with store_errors(self.root):
            if not _holds(path, len(data)):
                self._open_barrier()
                self._write(path, data)
        return sha256

    def flush(self) -> None:
        """Make everything this object wrote durable: one sync of its file system, and none when nothing was written.

        StoreError where the disk did not take it all. No file is trusted for that: each is held to its name when it is read.
        """
        with self._guard:
            barrier, self._barrier = self._barrier, None
        if barrier is not None:
            with store_errors(self.root):
                try:
                    barrier.sync()
                finally:
                    barrier.close()
            if (copy := copy_of(self.root)) is not None:
                copy.pay()

    def check(self) -> Iterator[Damage]:
        """Read every file and yield those whose bytes do not match their names, and what killed writers left.

        StoreError where no file can be read: what was not read is not damaged.
        """
        for path in self.files():
            if path.name.startswith("."):
                yield Damage(path, "unfinished write")
                continue
            try:
                with reading(path):
                    digest = file_hash(path)
            except OSError as error:
                yield Damage(path, f"it cannot be read: {error.strerror}")
                continue
            if digest != path.stem:
                yield Damage(path, f"its bytes hash to {digest}")

    def files(self) -> Iterator[Path]:
        """Every file, a folder at a time, so that no more than the names of one are in memory."""
        for folder in filter(Path.is_dir, sorted(self.root.glob("??/??"))):
            yield from sorted(folder.iterdir())

    def _open_barrier(self) -> None:
        with self._guard:
            if self._barrier is None:
                self.root.mkdir(parents=True, exist_ok=True)
                self._barrier = Barrier(self.root)

    def _cure(self) -> str:
        builds = self.root.parent / "builds"
        return f"Remove {builds} and build again: the sources are read anew, and the log answers what was asked."

    def _folder(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256[2:4]

    def _find(self, sha256: str) -> Path | None:
        folder = self._folder(sha256)
        with contextlib.suppress(FileNotFoundError), reading(folder), os.scandir(folder) as entries:
            found = next((Path(e.path) for e in entries if e.name.startswith(f"{sha256}.")), None)
            if found is not None:
                return found
        copy = copy_of(self.root)
        return None if copy is None else copy.fetch_like(folder / f"{sha256}.")

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unique to the process, the thread and the turn, so no two writers share a temporary file.
        name = f".{path.stem}.{os.getpid()}.{threading.get_ident()}.{next(self._turn)}"
        temporary = path.with_name(name)
        try:
            temporary.write_bytes(data)
            if (copy := copy_of(self.root)) is not None:
                copy.owe(path)
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            # Name the store: the temporary file means nothing to a user.
            raise OSError(error.errno, error.strerror, str(self.root)) from error


def _holds(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False

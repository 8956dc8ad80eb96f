"""What of builds is published: a record, which names those of its steps, which name tables by their hashes, and a head,
which names the record.

heads/builds/<recipe>.json                        who builds it, and the hash of the record (`pipelines.remote.head`)
records/<recipe>/<hash>.json                      the record, `build.json` of the working copy
builds/<recipe>/<step>/record-<hash>.json         the record of a step, `record.json` there
builds/<recipe>/<step>/<table>-<hash>.parquet     its tables
"""

import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipelines.remote.head import Head
from pipelines.remote.objects import Found
from pipelines.remote.transfer import Transfer
from pipelines.remote.trouble import GoneError
from schemas.digests import SHORT, bytes_hash, file_hash

RECORD, STEP_RECORD = "build.json", "record.json"
_HEAD = re.compile(r"builds/([a-z0-9][a-z0-9._-]*)\.json")
"""What a head of a build is called below `heads`; others are nobody's."""
_LOOKS = 3

logger = logging.getLogger(__name__)


class PublishedBuilds:
    """The builds of a workspace, as they are published, and those that this process holds."""

    def __init__(self, copy: Transfer) -> None:
        self._copy = copy
        self._held: dict[str, Head] = {}
        self._tables: dict[str, set[str]] = {}
        self._etags: dict[str, str] = {}
        self._former: dict[str, str] = {}
        self._lost: set[Path] = set()

    def refresh(self, heads: Mapping[str, Found]) -> None:
        """See which records are published. One that this working copy did not write takes the place of the one here."""
        builds = {known[1]: f for n, f in heads.items() if (known := _HEAD.fullmatch(n)) is not None}
        changed = [n for n, found in builds.items() if self._etags.get(n) != found.etag and n not in self._held]
        self._copy.each(self._see, changed)
        self._etags.update({name: builds[name].etag for name in changed})

    def take(self, recipe: str, owner: str, token: str, is_dead: Callable[[str], bool]) -> None:
        """Hold a build, and have what is published of it here. Raises `pipelines.remote.head.HeldError`."""
        head = self._head(recipe, is_dead)
        head.take(owner, token)
        try:
            self._adopt(recipe, head.record)
        except BaseException:
            head.release()
            raise
        self._held[recipe] = head

    def release(self, recipe: str) -> None:
        self._held.pop(recipe).release()

    def check(self, recipe: str) -> None:
        """Raise StoreError where a build that this process holds was taken over by another."""
        if recipe in self._held:
            self._held[recipe].check()

    @contextmanager
    def alone(self, head: Head, owner: str, is_dead: Callable[[str], bool]) -> Iterator[None]:
        """Hold `head` while nobody builds. Raises HeldError where somebody does.

        Builds of owners that are taken for dead are taken from them: one who comes back cannot publish what is gone by then.
        """
        head.take(owner, uuid.uuid4().hex)
        try:
            for name in self._copy.objects.list("heads", deep=True):
                if (known := _HEAD.fullmatch(name)) is None:
                    continue
                other = self._head(known[1], is_dead)
                if other.read().owner is not None:
                    other.take(owner, uuid.uuid4().hex)
                    other.release()
            yield
        finally:
            head.release()

    def unnamed(self) -> Iterator[tuple[str, int]]:
        """The objects of tables and records that no published record names, and their bytes."""
        named = {name for tables in self._tables.values() for name in tables}
        for recipe in list(self._tables):
            record = self._head(recipe).read().record
            named.add(f"records/{recipe}/{record}.json")
        for folder in ("builds", "records"):
            for name, found in self._copy.objects.list(folder, deep=True).items():
                if f"{folder}/{name}" not in named:
                    yield f"{folder}/{name}", found.size

    def publish(self, recipe: str) -> None:
        """Publish the record of a build that is held, after all that it names. Raises StoreError where another holds it."""
        head, folder = self._held.get(recipe), self._copy.root / "builds" / recipe
        if head is None:
            raise RuntimeError(f"the build of '{recipe}' is recorded by a process that does not hold it")
        self._copy.pay()
        data = (folder / RECORD).read_bytes()
        named = self._named(folder, self._steps(folder, json.loads(data)))
        missing = {n: path for n, path in named.items() if n not in self._sent(recipe)}
        self._copy.each(lambda name: self._send(recipe, name, missing[name]), missing)
        record, former = bytes_hash(data), head.record
        self._copy.objects.put(f"records/{recipe}/{record}.json", data)
        self._know(recipe, record)
        head.publish(record)
        if former not in (None, record):  # whoever has just read of the one before still finds it
            gone, self._former[recipe] = self._former.get(recipe), str(former)
            if gone not in (None, record, former):
                self._copy.objects.delete([f"records/{recipe}/{gone}.json"])

    def is_held(self, recipe: str) -> bool:
        """Whether this process holds a build, and publishes what is computed of it."""
        return recipe in self._held

    def bring(self, recipe: str) -> None:
        """Have every table here that the record names and that is not."""
        folder = self._copy.root / "builds" / recipe
        record = json.loads((folder / RECORD).read_bytes())
        named = self._named(folder, self._steps(folder, record))
        missing = {name: path for name, path in named.items() if not path.is_file()}

        def fetch(name: str) -> None:
            with suppress(GoneError):
                self._copy.objects.fetch(name, missing[name])

        self._copy.each(fetch, missing)

    def has(self, path: Path, digest: str) -> bool:
        """Whether a table of a build is published in this edition."""
        return self._name(path, digest) in self._sent(path.parents[1].name)

    def fetch(self, path: Path, digest: str) -> bool:
        """Bring a table here; whether it was there. One that is not what it says is not published any more."""
        name, recipe = self._name(path, digest), path.parents[1].name
        try:
            self._copy.objects.fetch(name, path)
        except GoneError:
            self._sent(recipe).discard(name)
            return False
        if file_hash(path)[:SHORT] != digest:
            self._sent(recipe).discard(name)
        return True

    def send_table(self, path: Path, digest: str) -> None:
        """Send a table whose record another process will publish."""
        self._send(path.parents[1].name, self._name(path, digest), path)

    def _send(self, recipe: str, name: str, path: Path) -> None:
        here = path.is_file()
        if here and file_hash(path)[:SHORT] == name.removesuffix(path.suffix).rpartition("-")[2]:
            self._copy.objects.send(name, path)
        elif self._copy.objects.beginning(name) != name:  # nor was it sent by another
            if here:
                path.rename(path.with_name(f".damaged-{path.name}"))
            if path not in self._lost:
                self._lost.add(path)
                logger.error("%s is %s, and is computed anew.", path, "damaged" if here else "gone")
            return
        self._lost.discard(path)
        self._sent(recipe).add(name)

    def _name(self, path: Path, digest: str) -> str:
        return self._copy.name(path).removesuffix(path.name) + _published(path.name, digest)

    def _sent(self, recipe: str) -> set[str]:
        return self._tables.setdefault(recipe, set())

    def _head(self, recipe: str, is_dead: Callable[[str], bool] = lambda owner: False) -> Head:
        return Head(self._copy.objects, f"heads/builds/{recipe}.json", is_dead)

    def _see(self, recipe: str) -> None:
        """Have what is published of a build here. Where its record went meanwhile, another one is published by now."""
        for _ in range(_LOOKS):
            if self._adopt(recipe, self._head(recipe).read().record):
                return

    def _adopt(self, recipe: str, record: str | None) -> bool:
        """Know which tables the published record names; take it for ours where it is of another working copy. False where
        there is no such record."""
        self._tables[recipe] = set()
        if record is None:
            return True
        path = self._copy.root / "builds" / recipe / RECORD
        mine = path.read_bytes() if path.is_file() else b""
        data = mine
        if bytes_hash(mine) != record:
            try:
                data, _ = self._copy.objects.get(f"records/{recipe}/{record}.json")
            except GoneError:
                return False
            if bytes_hash(data) != record:  # damaged: nothing of it counts
                return True
        try:
            steps = self._steps(path.parent, json.loads(data))
            named = self._named(path.parent, steps)
        except (ValueError, TypeError, AttributeError, RecursionError):  # no curate wrote it
            logger.warning("The record of '%s' in %s is damaged, and counts no more.", recipe, self._copy.address)
            return True
        self._tables[recipe] = set(named)
        if not mine or (data is not mine and record not in self._known(recipe)):
            _keep_only({*named.values()}, path.parent)
            for step, written in steps.items():
                _replace(path.parent / step / STEP_RECORD, written)
            _replace(path, data)
            self._know(recipe, record)
        return True

    def _steps(self, folder: Path, record: Mapping[str, Any]) -> dict[str, bytes]:
        """The records of the steps of a build, from here or from the store; those that are damaged there count no more."""
        found = {}
        for step, digest in record.get("records", {}).items():
            path = folder / step / STEP_RECORD
            data = path.read_bytes() if path.is_file() else b""
            if bytes_hash(data)[:SHORT] != digest:
                try:
                    data, _ = self._copy.objects.get(self._name(path, digest))
                except GoneError:
                    continue
            if bytes_hash(data)[:SHORT] == digest:
                found[step] = data
        return found

    def _named(self, folder: Path, steps: Mapping[str, bytes]) -> dict[str, Path]:
        """What the records of steps name, and they themselves: what each is called in the store, and where it lies here."""
        found: dict[str, Path] = {}
        for step, data in steps.items():
            files = [(STEP_RECORD, bytes_hash(data)[:SHORT]), *_files(json.loads(data))]
            found |= {self._name(folder / step / name, digest): folder / step / name for name, digest in files}
        return found

    def _known(self, recipe: str) -> list[str]:
        """The records that were written or adopted here: what is here is as new as any of these."""
        path = self._copy.state / "records" / recipe
        return path.read_text().split() if path.is_file() else []

    def _know(self, recipe: str, record: str) -> None:
        path = self._copy.state / "records" / recipe
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(record + "\n")


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new.tmp")
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def _keep_only(named: Set[Path], folder: Path) -> None:
    """Remove tables of a build that the record of another working copy does not name: they would pass for its own."""
    for path in folder.glob("*/*"):
        if path.is_file() and path not in named:
            path.unlink()


def _files(written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in (written, *written.get("buckets", {}).values()):
        for name, (_, digest) in one.get("files", {}).items():
            yield name, digest


def _published(name: str, digest: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}-{digest}.{suffix}"

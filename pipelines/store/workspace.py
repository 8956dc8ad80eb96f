"""The workspace: where everything lives on disk, and how a file comes into being there or is read.

    media/                      images, once each, by content hash
    log/completions/            the completions log, with its failures and claims
    log/prompts/                what models were asked, once each, by prompt key
    log/embeddings/             the embeddings log
    log/signals/                the signals log: attentions and likelihoods
    log/hashes/                 perceptual hashes of images
    evaluation_sets/            texts and hashes of evaluation sets, never their images
    builds/<recipe>/<step>/     the tables of the latest build
    releases/<recipe>/v<N>/     immutable releases
    exports/, reports/          what `curate export` and `curate report` write where nobody names another place

A file is written beside its place, flushed to the disk and renamed (`replacing`), so a reader sees the old file or the new
one; only journals grow in place. What reads a file that has to be as it was written does so within `reading`, and tables are
read by `pipelines.store.table_files`, images by `media`, parts of logs by `part_folder`.
"""

import errno
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.remote.head import HeldError as HeldElsewhereError
from pipelines.remote.places import copy_of
from pipelines.store.causes import cause_of
from pipelines.store.holding import HeldError, holding
from pipelines.store.links import check_links, check_place
from pipelines.store.owner import is_dead, me
from pipelines.store.row_groups import PACKED, TableWriter
from pipelines.store.table_files import is_pattern
from schemas.errors import ConfigError, StoreError

RECIPE_NAME = r"[a-z0-9][a-z0-9_-]*"
"""What a recipe may be called; it names the folders of its builds and releases."""

TRIAL = ".trial"
"""Ends the name of a build by `--limit` or `--seed`, and no recipe's own: a trial never becomes a version of the product."""

DEMO = ".demo"
"""Ends the name of a build by `--demo`, whose models and sources stand for those of the recipe."""

BUILD_NAME = RECIPE_NAME + r"(?:\.trial|\.demo)?"
"""What a build may be called: as its recipe, as a trial of it, or as its demo."""

_LOCK = ".lock"

_OF_THE_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EIO})
"""Errors that say something of the file that is read, and not of this process or the moment."""


def is_trial(name: str) -> bool:
    """Whether a build or release of that name is a trial or a demo, and so no version of its recipe."""
    return name.endswith((TRIAL, DEMO))


def recipe_of(name: str) -> str:
    """The name of the recipe of a build, which may be a trial or a demo."""
    return name.removesuffix(TRIAL).removesuffix(DEMO)


class Workspace:
    """Paths of one workspace. Creating the object touches nothing; `prepare()` makes the folders."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def media(self) -> Path:
        return self.root / "media"

    @property
    def completions(self) -> Path:
        return self.root / "log" / "completions"

    @property
    def prompts(self) -> Path:
        return self.root / "log" / "prompts"

    @property
    def embeddings(self) -> Path:
        return self.root / "log" / "embeddings"

    @property
    def signals(self) -> Path:
        return self.root / "log" / "signals"

    @property
    def hashes(self) -> Path:
        return self.root / "log" / "hashes"

    @property
    def evaluation_sets(self) -> Path:
        return self.root / "evaluation_sets"

    def build(self, recipe: str) -> Path:
        return self.root / "builds" / recipe

    def releases(self, recipe: str) -> Path:
        return self.root / "releases" / recipe

    def former(self, recipe: str) -> Path:
        """The releases that a build goes on from: a trial from those of its recipe, as it shows what a build would do."""
        return self.releases(recipe.removesuffix(TRIAL))

    def prepare(self, recipe: str) -> None:
        """Make the folders and prove that they can be written: a read-only store fails before a model starts.

        Raises ConfigError for a path that is a pattern, and for links by which a build would write or clear up elsewhere.
        """
        if is_pattern(str(self.root)):
            raise ConfigError(
                f"The workspace '{self.root}' has one of *, ? and [ in its path, which DuckDB reads as a pattern; name "
                "another with --workspace."
            )
        own = (self.root / "log", self.evaluation_sets, self.build(recipe))
        for place in (*own, self.media, self.releases(recipe), self.root / _LOCK):
            check_place(self.root, place)
        for folder in own:  # and not the millions of files of `media`
            check_links(self.root, folder)
        with store_errors(self.root):
            self.root.parent.mkdir(parents=True, exist_ok=True)
            self.root.mkdir(mode=0o700, exist_ok=True)  # rows, prompts and replies are for who made them
            for folder in (self.media, self.completions, self.embeddings, self.build(recipe), self.releases(recipe)):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.media, self.completions, self.build(recipe), self.releases(recipe)):
                probe = folder / f".probe-{os.getpid()}"
                probe.unlink(missing_ok=True)
                with probe.open("xb") as file:
                    file.write(b"x")
                probe.unlink()

    @contextmanager
    def lock(self, recipe: str) -> Iterator[None]:
        """Hold the recipe's build folder and keep `alone` out; the kernel lets go when the process dies, however it does."""
        tidying = f"`curate gc` is running in {self.root}. Wait for it."
        running = f"Another build of '{recipe}' is running in {self.root}. Wait for it or stop it."
        whole, own = self.root / _LOCK, self.build(recipe) / _LOCK
        with _held(whole, tidying, shared=True), _held(own, running), _held_there(self.root, recipe, running, tidying):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the whole workspace: no build runs meanwhile, nor starts.

        Raises ConfigError where one is running, and for a link that leads out of it.
        """
        check_links(self.root, self.root)
        running, copy = f"A build is running in {self.root}. Wait for it or stop it.", copy_of(self.root)
        with _held(self.root / _LOCK, running), ExitStack() as stack:
            if copy is not None:
                copy.refresh()
                try:
                    stack.enter_context(copy.tidy(str(me()), is_dead))
                except HeldElsewhereError as error:
                    raise ConfigError(f"{running} It is {error}, by the lease in {copy.address}.") from None
            yield


@contextmanager
def _held_there(root: Path, recipe: str, running: str, tidying: str) -> Iterator[None]:
    """Hold a build where its workspace is published, if it is; what an earlier process left to be sent is sent first."""
    copy = copy_of(root)
    if copy is None:
        yield
        return
    copy.refresh()
    try:
        copy.builds.take(recipe, str(me()), uuid.uuid4().hex, is_dead)
    except HeldElsewhereError as error:
        raise ConfigError(f"{running} It is {error}, by the lease in {copy.address}.") from None
    try:
        if copy.tidying(is_dead):
            raise ConfigError(tidying)
        copy.begin()
        yield
        copy.pay()
    finally:
        copy.builds.release(recipe)


@contextmanager
def _held(path: Path, otherwise: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock file, or raise ConfigError with the sentence `otherwise` and whose it is."""
    with store_errors(path), ExitStack() as stack:
        try:
            stack.enter_context(holding(path, shared=shared))
        except HeldError as error:
            raise ConfigError(f"{otherwise}{error}") from None
        yield


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says into one sentence that names the place and the cure."""
    try:
        yield
    except Exception as error:
        cause = cause_of(error)
        if cause is None:
            raise
        named = str(getattr(error, "filename", None) or path)
        raise StoreError(f"Cannot write to {path if named.endswith('.tmp') else named}: {cause}.") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read a file that is either as it was written or damaged.

    OSError goes through where it is this file that is gone or cannot be read. Where the system lets nobody read any file
    now (too many are open, no permission), that is a StoreError: it says nothing of this file.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _OF_THE_FILE:
            raise
        cause = cause_of(error) or error.strerror or type(error).__name__
        raise StoreError(f"Cannot read {path}: {cause}.") from error


@contextmanager
def replacing(path: Path, *, lasting: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success flush it to the disk and rename it into place (`settle`)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with store_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)  # a link of that name would be followed
            yield temporary
            settle(temporary, path, lasting=lasting)
        finally:
            temporary.unlink(missing_ok=True)


def settle(temporary: Path, path: Path, *, lasting: bool = False) -> None:
    """Give a file that is written its name: the one place where that is done, but for images, of which `MediaStore.flush`
    settles thousands at once.

    Its bytes survive a power cut from here on, and its name where it is `lasting`: so is what cannot be made again. What
    can be, the tables of builds, does without; their record says by a hash what they were, so that one whose name or
    bytes were lost is computed again.
    """
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    if lasting:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where its file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
            raise
    finally:
        os.close(descriptor)


def write_table(table: pl.DataFrame | pl.LazyFrame, path: Path, packing: str = PACKED) -> None:
    """Write a table atomically. A lazy one is streamed: its rows are never all in memory."""
    if isinstance(table, pl.DataFrame):
        write_pieces((table,), table.schema, path, packing)
    else:
        write_pieces(table.collect_batches(maintain_order=True), table.collect_schema(), path, packing)


def write_pieces(pieces: Iterable[pl.DataFrame], schema: pl.Schema, path: Path, packing: str = PACKED) -> int:
    """Write the pieces of a table atomically, one at a time, and return how many rows they have."""
    with replacing(path) as temporary, TableWriter(temporary, schema, packing=packing) as writer:
        for piece in pieces:
            writer.add(piece)
    return writer.rows


def write_json(value: Any, path: Path) -> None:
    """Write JSON atomically, keys in the given order."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The JSON at `path`, or None where there is none or it is damaged: both mean that the work is not done."""
    with store_errors(path):
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):  # of JSON, or of UTF-8
            return None

"""What a workspace no longer needs: leftovers of killed processes, media that nothing names, logs in too many parts.

The logs lose no row: they are the memory that everything else is made from. What a release or a build names is never
touched. What decides that is proven, and no more: tables that name images, and the small parts that are joined.
"""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.remote.places import copy_of
from pipelines.store.build_record import read_record
from pipelines.store.completions import CompletionsLog
from pipelines.store.joining import SMALL
from pipelines.store.leftovers import leftovers
from pipelines.store.media import MediaStore
from pipelines.store.prompts import PromptsLog
from pipelines.store.step_tables import ROWS
from pipelines.store.witness import Witness, damaged
from pipelines.store.workspace import Workspace, store_errors
from schemas.errors import ConfigError, StoreError

logger = logging.getLogger(__name__)

_IMAGE = "sha256"
"""The field that names an image, wherever a table does."""


@dataclass(frozen=True)
class Garbage:
    """A file or folder that may go, and why."""

    path: Path
    bytes: int
    why: str


def collect_garbage(workspace: Workspace, *, dry_run: bool = False) -> list[Garbage]:
    """Find what is not needed and, unless `dry_run`, remove it and join the logs' small parts.

    No build runs or starts meanwhile. Raises ConfigError where one is running, or there is no workspace.
    """
    if not any((workspace.root / part).is_dir() for part in ("builds", "log")):
        raise ConfigError(f"There is no workspace {workspace.root}. Name the one that builds wrote with --workspace.")
    with workspace.alone(), store_errors(workspace.root):
        copy = copy_of(workspace.root)
        if copy is not None:
            copy.bring()
        found = [*_garbage(workspace), *_unnamed_media(workspace), *_unpublished(workspace)]
        if not dry_run:
            for garbage in found:
                if garbage.path.is_dir():
                    shutil.rmtree(garbage.path)
                else:
                    garbage.path.unlink(missing_ok=True)
            if copy is not None:
                copy.discard(garbage.path for garbage in found)
            log = CompletionsLog(workspace.completions)
            log.join_parts(SMALL)
            log.failures.join_parts(SMALL)
            PromptsLog(workspace.prompts).join_parts(SMALL)
        return found


def _garbage(workspace: Workspace) -> Iterator[Garbage]:
    for path in leftovers(workspace):
        inside = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
        yield Garbage(
            path, sum(p.stat().st_size for p in inside), "left by a process that died, or of an earlier layout"
        )


def _unnamed_media(workspace: Workspace) -> Iterator[Garbage]:
    try:
        named = _named(workspace)
    except (StoreError, ConfigError) as error:
        logger.warning("No image is removed: %s", error)
        return
    copy, why = copy_of(workspace.root), "no build and no release names it"
    there = (
        {} if copy is None else {workspace.media / n: f.size for n, f in copy.there(workspace.media, deep=True).items()}
    )
    for path in MediaStore(workspace.media).files():
        size = there.pop(path, path.stat().st_size)
        if not path.name.startswith(".") and path.name.split(".")[0] not in named:
            yield Garbage(path, size, why)
    yield from (Garbage(path, size, why) for path, size in there.items() if path.name.split(".")[0] not in named)


def _unpublished(workspace: Workspace) -> Iterator[Garbage]:
    """Tables, records and releases in the object store that nothing names which is published."""
    copy = copy_of(workspace.root)
    for path, size in () if copy is None else copy.unnamed():
        yield Garbage(path, size, "of a build or release before the one that is published")


def _named(workspace: Workspace) -> set[str]:
    """The hash of every image that a table of a build or a release names.

    Tables of builds that may name one are proven first, for a flipped bit names another image; texts and columns of
    numbers, which are most of a build, are not read. A release is not proven: it holds its images itself, so an image
    that goes for a damaged name is missed by nobody. Raises StoreError for a table that is damaged.
    """
    import pyarrow as pa

    names: set[str] = set()
    builds = [path for build in workspace.root.glob("builds/*") for path in _proven(build)]
    for path in (*builds, *workspace.root.glob("releases/*/v*/*/*.parquet")):
        try:
            names.update(_named_by(path))
        except (pa.ArrowException, OSError) as error:
            raise StoreError(f"{path} is damaged, and may name any ({type(error).__name__}).") from error
    return names


def _proven(build: Path) -> list[Path]:
    """The tables of a build that may name images, each as it was written."""
    record, witness, found = read_record(build) or {}, Witness(build), list[Path]()
    gives = {step["name"]: step["gives"] for step in record.get("pipeline", {}).get("steps", ())}
    for step, written in record.get("steps", {}).items():
        shows = any(_IMAGE in dtype or name == _IMAGE for name, dtype in gives.get(step, {"": _IMAGE}).items())
        for one in (written, *written["buckets"].values()):
            for name, (_, digest) in one.get("files", {}).items():
                path = build / step / name
                if one is not written and not (shows and name.startswith(f"{ROWS}-")):
                    continue
                if not witness.holds(path, digest):
                    raise damaged(path)
                found.append(path)
    return found


def _named_by(path: Path) -> Iterator[str]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        leaves = [file.schema.column(i).path for i in range(len(file.schema))]
        wanted = [p for p in leaves if p.split(".")[-1] == _IMAGE or p == "images.list.element.path"]
        for batch in file.iter_batches(columns=wanted) if wanted else ():
            for column in batch.columns:
                yield from (Path(text).name.split(".")[0] for text in _texts(column, pc))


def _texts(column: Any, compute: Any) -> Iterator[str]:
    """All strings of a column, however deep they are in lists and structs."""
    import pyarrow as pa

    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        yield from _texts(compute.list_flatten(column), compute)
    elif pa.types.is_struct(column.type):
        for field in column.flatten():
            yield from _texts(field, compute)
    else:
        yield from (text for text in compute.unique(column).to_pylist() if text)

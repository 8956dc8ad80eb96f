"""Releases: immutable folders that trainers load as they are.

    releases/<recipe>/v<N>/
        sft/ rl/ preference/ holdout/    parquet with the features of `datasets`; images inside, as `Image`
        control/ unfiltered/             what a random choice would have taken, and what there was to choose from
        rollouts/                        every reply that k of n was counted on, with its verdict
        images/                          the images, where the recipe keeps them beside the parquet
        dropped.parquet                  every row that a step dropped, with its reason and the numbers that decided
        card_images/                     those of the rows that the card shows
        README.md                        the data card, with the configs that `load_dataset` reads
        croissant.json                   the same for machines: MLCommons Croissant
        manifest.json                    resolved recipe, models, counts by reason, statistics, the hash of every other file
        manifest.sha256                  the hash of manifest.json, which stands for all of it

A release is made in a hidden folder, flushed to the disk and renamed when it is whole. Its version is decided by the bytes
of its tables: the same content is the same version, however often it is built; other content is the next one. Nothing in
it depends on the clock or the machine.
"""

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, Literal

import polars as pl

from pipelines.release import rollout_rows
from pipelines.release.card import read_template, render_card
from pipelines.release.configs import Shape, in_order
from pipelines.release.croissant import describe
from pipelines.release.examples import write_examples
from pipelines.release.parquet_shards import Shards
from pipelines.release.regrade import Grade, Report, grade_here, needs_judge, regrade
from pipelines.release.statistics import statistics
from pipelines.remote.places import copy_of
from pipelines.store.barrier import Barrier
from pipelines.store.memory import Memory
from pipelines.store.ordering import sorted_pieces
from pipelines.store.release_damage import MANIFEST
from pipelines.store.release_files import content_of, table_entry
from pipelines.store.release_seal import FORMAT, seal, sound
from pipelines.store.row_groups import even
from pipelines.store.scratch import SCRATCH
from pipelines.store.table_files import row_count
from pipelines.store.workspace import read_json, store_errors, sync_folder, write_json, write_table
from schemas.engine import MediaReader
from schemas.errors import ConfigError, StoreError

DAMAGED = ".damaged-"
"""Begins the name of a release that was found damaged and written anew; `curate gc` removes it."""
ROW_GROUP = 256
ROLLOUTS = 1024
"""Rollouts in a row group: of long replies, some twenty megabytes."""


@dataclass(frozen=True)
class Content:
    """The rows of a release: a lazy table a config with the shape of its rows, what was dropped on the way, what its
    manifest says, and the rollouts that k of n was counted on (columns of `rollout_rows.SCHEMA`; None: nobody was asked)
    with what they were `counted_by` (`pipelines.release.regrade`).

    `by` names the columns that put the rows of a config in order; those of one that is not there come as they are.
    """

    tables: dict[str, pl.LazyFrame]
    shapes: Mapping[str, Shape]
    dropped: pl.LazyFrame
    manifest: dict[str, Any]
    rollouts: pl.LazyFrame | None = None
    counted_by: Mapping[str, Any] = field(default_factory=dict)
    by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True)
class Look:
    """Whether images go inside the parquet, or beside it, and the card's own template, where it has one."""

    images: Literal["embed", "reference"] = "embed"
    card: Path | None = None


def write_release(
    content: Content,
    look: Look,
    media: MediaReader,
    folder: Path,
    report: Report = lambda done, of: None,
    grade: Grade = grade_here,
) -> Path:
    """Write a release below `folder` (`releases/<recipe>`) and return its path; an equal one is returned as it is. `report`
    and `grade` are for its rollouts, which are graded again.

    Raises StepError where its own reward says of the rollouts what curation did not (`pipelines.release.regrade`).
    """
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".new-*"):  # the build's lock is held, so whoever wrote these is dead
            shutil.rmtree(left)
        scratch = folder / f".new-{os.getpid()}"
        scratch.mkdir()
        barrier = Barrier(scratch)
        try:
            files = _write_files(content, look, media, scratch)
            counted_by = content.counted_by
            graded = None if content.rollouts is None else regrade(scratch, counted_by, report=report, grade=grade)
            content_hash = content_of(files)
            same = next((p for p in released(folder) if _content(p) == content_hash), None)
            if same is not None and _is_sound(same):
                _publish(same)
                return same
            target = same or _next_version(folder)
            counted = statistics(scratch)
            manifest = {
                "format": FORMAT,
                "name": content.manifest["recipe"]["name"],
                "version": target.name,
                "content": content_hash,
                "code": package_version("curate-multimodal"),
                **content.manifest,
                "card": None if look.card is None else read_template(look.card),
                "regraded": graded,
                "counted_by": None if graded is None else dict(content.counted_by),
                "needs_judge": needs_judge(counted, graded),
                "statistics": counted,
                "examples": write_examples(scratch),
                "files": files,
            }
            (scratch / "README.md").write_text(render_card(manifest), encoding="utf-8")
            write_json(describe(manifest, scratch), scratch / "croissant.json")
            seal(manifest, scratch)
            barrier.sync()
            if same is not None:  # damaged: written anew in its place, and kept for whoever wants to look at it
                with suppress(FileNotFoundError):  # put there already
                    same.rename(folder / f"{DAMAGED}{same.name}-{uuid.uuid4().hex[:8]}")
            scratch.rename(target)
            sync_folder(folder)
            _publish(target)
            return target
        finally:
            barrier.close()
            shutil.rmtree(scratch, ignore_errors=True)


def _publish(release: Path) -> None:
    """Publish a release where its workspace lies in an object store."""
    if (copy := copy_of(release)) is not None:
        copy.releases.publish(release)


def released(folder: Path) -> list[Path]:
    """The releases in a folder, oldest first."""
    found = [p for p in folder.glob("v*") if p.name[1:].isdigit() and (p / MANIFEST).is_file()]
    return sorted(found, key=lambda p: int(p.name[1:]))


def _next_version(folder: Path) -> Path:
    number = max((int(p.name[1:]) for p in released(folder)), default=0) + 1
    target = folder / f"v{number}"
    if target.exists():
        raise StoreError(
            f"{target} is there, but it is not a release (it has no manifest.json). Move it away: nothing that "
            "was built is lost, and the same command goes on from there."
        )
    return target


def _content(release: Path) -> str | None:
    manifest = read_json(release / MANIFEST)
    return manifest.get("content") if isinstance(manifest, dict) and manifest.get("format") == FORMAT else None


def _is_sound(release: Path) -> bool:
    """Whether a release is what it was; where it is published, a damaged one is fetched anew first."""
    copy = copy_of(release)
    try:
        return bool(sound(release, whole="whole"))
    except ConfigError:
        if copy is None or not copy.releases.fetch_anew(release):
            return False
    try:
        return bool(sound(release, whole="whole"))
    except ConfigError:
        copy.releases.distrust(release)
        return False


def _write_files(content: Content, look: Look, media: MediaReader, root: Path) -> list[dict[str, Any]]:
    files = [file for name in in_order(content.tables) for file in _write_config(name, content, look, media, root)]
    if content.rollouts is not None:
        files += _write_rollouts(content.rollouts, root)
    write_table(content.dropped, root / "dropped.parquet")
    return [*files, table_entry(root / "dropped.parquet", root, row_count(root / "dropped.parquet"))]


def _write_config(name: str, content: Content, look: Look, media: MediaReader, root: Path) -> Iterator[dict[str, Any]]:
    """Write one config as parquet shards; yield what the manifest says of each."""
    table, by, shape = content.tables[name], content.by.get(name), content.shapes[name]
    as_they_come = table.collect_batches(chunk_size=ROW_GROUP, maintain_order=True)
    pieces = iter(as_they_come) if by is None else sorted_pieces(table, by, root, content.memory)
    with Shards(root / name, shape.schema) as shards:
        for piece in even(pieces, ROW_GROUP):
            shards.write([shape.record(row) for row in piece.iter_rows(named=True)])
            if look.images == "reference":
                _place_images(piece, media, root / "images")
    shutil.rmtree(root / SCRATCH, ignore_errors=True)
    yield from (table_entry(path, root, rows) for path, rows in shards.files)


def _write_rollouts(rollouts: pl.LazyFrame, root: Path) -> list[dict[str, Any]]:
    with Shards(root / rollout_rows.NAME, rollout_rows.SCHEMA) as shards:
        for piece in even(rollouts.collect_batches(chunk_size=ROLLOUTS, maintain_order=True), ROLLOUTS):
            shards.append(piece.to_arrow())
    return [table_entry(path, root, rows) for path, rows in shards.files]


def _place_images(rows: pl.DataFrame, media: MediaReader, folder: Path) -> None:
    """Put the images of `rows` beside the parquet, once each: as a second name where the file system can, else a copy."""
    folder.mkdir(exist_ok=True)
    shown = rows.select(pl.col("media").explode(empty_as_null=False)).unnest("media")
    for sha256 in shown.filter(pl.col("kind") == "image")["sha256"].unique():
        source = media.path(sha256)
        target = folder / source.name
        if target.exists():
            continue
        data = media.read(sha256)  # which proves that they are the bytes of that name
        try:
            os.link(source, target)
        except OSError:
            target.write_bytes(data)

"""A release as exporters see it: where it lies, and its rows one by one."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from pipelines.release.versions import find_release
from pipelines.store.release_names import CONFIG, IMAGE
from pipelines.store.release_seal import sound
from pipelines.store.table_files import tables_in
from schemas.digests import bytes_hash
from schemas.errors import ConfigError
from schemas.marks import cut

BATCH = 64
"""Rows that are in memory at a time, with their images."""


class UnfitError(Exception):
    """A row that a trainer's format cannot express. `cause` is the second half of its reason, `export:<cause>`."""

    def __init__(self, cause: str, **evidence: Any) -> None:
        super().__init__(cause)
        self.cause = cause
        self.evidence = evidence


HASHED = re.compile(IMAGE)


class Image(NamedTuple):
    """An image: its file name, which is the hash of its bytes where it looks like one, and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `columns` are the release's own, `response` is set in sft, `chosen` and `rejected` in preference.

    `positions` are the places of its images in the question, in characters; none where all come before it.
    """

    system: str | None
    question: str
    images: tuple[Image, ...]
    response: str | None
    chosen: str | None
    rejected: str | None
    columns: Mapping[str, Any]
    positions: tuple[int, ...] = ()

    @property
    def pieces(self) -> list[str | Image]:
        """The question's texts and images in the order in which the model sees them."""
        if not self.positions:
            return [*self.images, self.question]
        first, *texts = cut(self.question, self.positions)
        parts = [first, *(part for pair in zip(self.images, texts, strict=True) for part in pair)]
        return [part for part in parts if part != ""]


@dataclass(frozen=True)
class Release:
    """An immutable release folder and its manifest."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def label(self) -> str:
        """`quickstart/v1`."""
        return f"{self.manifest['name']}/{self.manifest['version']}"

    def files(self, split: str) -> list[Path]:
        """The shards of a split, in order; none where the release has no such split."""
        return tables_in(self.path / split)

    @cached_property
    def has_images(self) -> bool:
        """Whether any row of any split shows an image. Reads the images' names only."""
        shards = [
            path for split in self.path.iterdir() if CONFIG.fullmatch(split.name) for path in self.files(split.name)
        ]
        return any(_shows(path) for path in shards)

    def interleaved(self, split: str) -> bool:
        """Whether any row of a split shows an image among its words. Reads one small column."""
        return any(_places(path) for path in self.files(split))

    def records(self, split: str) -> Iterator[dict[str, Any]]:
        """The rows of a split as the release stores them, a few in memory. ConfigError for a table that lacks a column."""
        for path in self.files(split):
            file = pq.ParquetFile(path, pre_buffer=False)
            lacking = next((name for name in _NEEDED if name not in file.schema_arrow.names), None)
            if lacking is not None:
                raise ConfigError(f"{path} has no column '{lacking}', which every row of a release has.")
            for batch in file.iter_batches(batch_size=BATCH):
                yield from batch.to_pylist()


def open_release(name: str, workspace: Path) -> Release:
    """The release that `name` means: a folder, `quickstart` (the latest) or `quickstart/v1` of a workspace.

    Raises ConfigError where there is none, or where a file of it is gone or damaged.
    """
    folder = find_release(name, workspace)
    return Release(folder.resolve(), sound(folder))


def read_row(record: Mapping[str, Any], root: Path = Path()) -> Row:
    """A row stored in the release at `root`, which may keep images beside its parquet.

    UnfitError where something is null that every release says, the conversation is not one question, or an image is not
    there or not the one of its name.
    """
    missing = next((name for name in _NEEDED if name in record and record[name] is None), None)
    if missing is not None:
        raise UnfitError("null_field", field=missing)
    turns = list(record["prompt"])
    if not all(turn and turn["content"] is not None for turn in turns):
        raise UnfitError("null_field", field="prompt.content")
    system = turns.pop(0)["content"] if turns and turns[0]["role"] == "system" else None
    if [turn["role"] for turn in turns] != ["user"]:
        raise UnfitError("conversation", roles=[turn["role"] for turn in record["prompt"]])
    images = tuple(_image(image, root) for image in record["images"] or ())
    if not turns[0]["content"].strip() and not images:
        raise UnfitError("empty_question")
    positions = tuple(record.get("image_positions") or ())
    length = len(turns[0]["content"])
    if positions and (len(positions) != len(images) or list(positions) != sorted(positions) or positions[-1] > length):
        raise UnfitError("image_position", positions=positions, images=len(images), characters=length)
    replies = {name: _reply(record.get(column)) for name, column in _REPLIES.items()}
    return Row(system, turns[0]["content"], images, columns=record, positions=positions, **replies)


_NEEDED = ("id", "prompt", "solution", "answer", "tags")
"""What every row of a release says."""


def _image(stored: Mapping[str, Any], root: Path) -> Image:
    path = stored["path"] or ""
    data = stored["bytes"]
    if not data and path:
        beside = Path(os.path.normpath(root / path))
        if beside.is_relative_to(os.path.normpath(root)) and beside.is_file():  # a release shows no files but its own
            data = beside.read_bytes()
    if not data:
        raise UnfitError("no_image_bytes", image=path)
    name = Path(path).name
    if HASHED.fullmatch(name) and not name.startswith(bytes_hash(data)):
        raise UnfitError("another_image", image=path)
    return Image(name, data)


_REPLIES = {"response": "completion", "chosen": "chosen", "rejected": "rejected"}


def _reply(value: str | Sequence[Mapping[str, str]] | None) -> str | None:
    """What the model says in a reply, which is stored as text or as one assistant turn."""
    if value is None or isinstance(value, str):
        return value
    if [turn["role"] for turn in value] != ["assistant"]:
        raise UnfitError("conversation", roles=[turn["role"] for turn in value])
    return value[0]["content"]


def _shows(path: Path) -> bool:
    file = pq.ParquetFile(path)
    names = [c for c in file.schema_arrow.names if c == "images"]
    if not names:
        return False
    batches = file.iter_batches(batch_size=65_536, columns=["images.list.element.path"])
    return any(len(batch.column(0).flatten()) > 0 for batch in batches)


def _places(path: Path) -> bool:
    file = pq.ParquetFile(path)
    if "image_positions" not in file.schema_arrow.names:
        return False
    batches = file.iter_batches(batch_size=65_536, columns=["image_positions"])
    return any(len(batch.column(0).flatten()) > 0 for batch in batches)


def gold_of(row: Row) -> str:
    """The gold as it was published."""
    raw: str = json.loads(row.columns["answer"])["raw"]
    return raw

"""A release as exporters see it: where it lies, and its rows one by one."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.export.selection import Selection
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
    """An immutable release folder, its manifest, and which of its rows are looked at."""

    path: Path
    manifest: Mapping[str, Any]
    selection: Selection = field(default_factory=Selection)
    _verdicts: dict[Path, pl.Series | None] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        splits = self.selection.configs or [path.name for path in self.path.iterdir() if CONFIG.fullmatch(path.name)]
        return any(
            self._holds(path, "images", "images.list.element.path") for split in splits for path in self.files(split)
        )

    def interleaved(self, split: str) -> bool:
        """Whether any row of a split shows an image among its words. Reads one small column."""
        return any(self._holds(path, "image_positions", "image_positions") for path in self.files(split))

    def left_out(self, split: str) -> dict[str, int]:
        """How many rows of a split the selection leaves out, and how many of them it could not decide."""
        verdicts = [self._verdict(path) for path in self.files(split)]
        undecided = sum(verdict.null_count() for verdict in verdicts if verdict is not None)
        out = sum(len(verdict) - int(verdict.sum()) for verdict in verdicts if verdict is not None)
        return {"not_chosen": out - undecided, "undecided": undecided}

    def images_a_row(self, split: str) -> tuple[int, int]:
        """The fewest and the most images that a row of a split shows. Reads the images' names only."""
        files = [path for path in self.files(split) if "images" in pq.read_schema(path).names]
        batches = (batch for path in files for batch in self._batches(path, 65_536, ["images.list.element.path"]))
        found = [pc.min_max(pc.fill_null(batch.column(0).value_lengths(), 0)) for batch in batches if len(batch)]
        bounds = [(both["min"].as_py(), both["max"].as_py()) for both in found]
        return min((low for low, _ in bounds), default=0), max((high for _, high in bounds), default=0)

    def common_system(self, split: str) -> str | None:
        """The system turn of most rows of a split, None where that is none; of several as common the first by text."""
        files = [path for path in self.files(split) if "prompt" in pq.read_schema(path).names]
        batches = (batch for path in files for batch in self._batches(path, 65_536, ["prompt"]))
        turns = (prompt[0] if prompt else None for batch in batches for prompt in batch.column(0).to_pylist())
        counts = Counter(turn["content"] if turn and turn["role"] == "system" else None for turn in turns)
        return min(counts, key=lambda system: (-counts[system], system or ""), default=None)

    def records(self, split: str) -> Iterator[dict[str, Any]]:
        """The rows of a split as the release stores them, a few in memory. ConfigError for a table that lacks a column."""
        for path in self.files(split):
            names = pq.read_schema(path).names
            lacking = next((name for name in _NEEDED if name not in names), None)
            if lacking is not None:
                raise ConfigError(f"{path} has no column '{lacking}', which every row of a release has.")
            for batch in self._batches(path, BATCH):
                yield from batch.to_pylist()

    def _holds(self, path: Path, column: str, part: str) -> bool:
        """Whether any chosen row of a file has a list that is not empty, of which only `part` is read."""
        if column not in pq.read_schema(path).names:
            return False
        return any(len(batch.column(0).flatten()) > 0 for batch in self._batches(path, 65_536, [part]))

    def _batches(self, path: Path, size: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The chosen rows of a file."""
        file, verdict, start = pq.ParquetFile(path, pre_buffer=False), self._verdict(path), 0
        for batch in file.iter_batches(batch_size=size, columns=columns):
            wanted = None if verdict is None else verdict.slice(start, len(batch)).fill_null(False)
            start += len(batch)
            yield batch if wanted is None else batch.filter(wanted.to_arrow())

    def _verdict(self, path: Path) -> pl.Series | None:
        if path not in self._verdicts:
            self._verdicts[path] = self.selection.verdicts(path)
        return self._verdicts[path]


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


def gold_of(row: Row) -> str:
    """The gold as it was published."""
    raw: str = json.loads(row.columns["answer"])["raw"]
    return raw

"""What an exporter is: a list of datasets, each a function from a row to a trainer's record, and the files beside them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import pyarrow as pa

from filters.verify import reward
from filters.verify.catalogue import KINDS
from pipelines.export.lengths import reply_tokens, room
from pipelines.export.rows import Image, Release, Row, UnfitError


class Draft(Protocol):
    """A dataset in the making, as a record may need to know it."""

    @property
    def number(self) -> int:
        """How many rows it has so far."""

    @property
    def split(self) -> str:
        """The split of the release that it is made of."""

    @property
    def system(self) -> str | None:
        """The system turn of most of its rows, for trainers that take one for all."""

    @property
    def has_images(self) -> bool:
        """Whether any row of the release shows an image: its trainer is one of models that see."""

    @property
    def interleaved(self) -> bool:
        """Whether any of its rows shows an image among its words."""

    def place(self, image: Image) -> str:
        """Write the image as a file, once, and return its path relative to the export: a folder that can be moved has no
        other paths."""


Record = Callable[[Row, Draft], dict[str, Any]]


@dataclass(frozen=True)
class Sheet:
    """One dataset of an export, made of one split of the release.

    With `fields` it is a folder of parquet files, without them `<name>.jsonl`; the writer adds `id` and `CURRICULUM` to
    every row. The columns `ABOUT_IMAGES` are left out where the whole release has no image, because trainers take them for
    the sign of a vision model. `with_images` are the types of columns that are stored otherwise where the release has any
    image, and `in_parts` of those where any row of the sheet shows one among its words: a column has one type. `like` is the
    sheet of the exporter that this one, of another config, is laid out as.
    """

    name: str
    split: str
    record: Record
    fields: Mapping[str, pa.DataType] | None = None
    in_parts: Mapping[str, pa.DataType] = field(default_factory=dict)
    with_images: Mapping[str, pa.DataType] = field(default_factory=dict)
    like: str = ""

    @property
    def base(self) -> str:
        """The exporter's own sheet that it is, or is like: `sft` for `sft_cold`."""
        return self.like or self.name

    @property
    def files(self) -> str:
        """Its files, relative to the export, as `datasets` takes them."""
        return f"{self.name}.jsonl" if self.fields is None else f"{self.name}/*.parquet"


def rl_sheets(
    record: Record,
    fields: Mapping[str, pa.DataType] | None = None,
    with_images: Mapping[str, pa.DataType] = MappingProxyType({}),
) -> tuple[Sheet, ...]:
    """What trainers of RL read: `train`, the prompts, and `val`, those that are never trained on."""
    return tuple(
        Sheet(name, split, record, fields, with_images=with_images)
        for name, split in (("train", "rl"), ("val", "holdout"))
    )


@dataclass(frozen=True)
class Exported:
    """What was written, for the files beside the data: the sheets that have rows, and verifiers seen.

    `systems` are the system turns of each sheet's first row, `parts` the files of each sheet, in order, relative to the
    export, `rows` how many it has, and `longest` about how many tokens its longest row has.
    """

    release: Release
    sheets: Mapping[str, Sheet]
    verifiers: frozenset[str]
    systems: Mapping[str, str | None]
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    longest: Mapping[str, int] = field(default_factory=dict)

    def room(self, sheet: str) -> int:
        """Tokens that hold every row of a sheet with its reply, by an estimate."""
        return room(self.longest[sheet])

    @property
    def reply_tokens(self) -> int:
        """Tokens that a reply in RL may have: as many as when the prompts were measured."""
        return reply_tokens(self.release.manifest)

    @property
    def model(self) -> str:
        """A model that a config names until its user names another: one that sees, where there are images."""
        return "Qwen/Qwen2.5-VL-3B-Instruct" if self.release.has_images else "Qwen/Qwen2.5-3B-Instruct"


@dataclass(frozen=True)
class Start:
    """How training on a sheet starts: a file and the command that runs it, both relative to the export.

    There is one for each sheet that has rows and is, or is like, `sheet`; it is named `<name of that sheet>.<suffix>`.
    `text` gets that name and what was written. `command` has `{file}` for the file.
    """

    sheet: str
    suffix: str
    command: str
    text: Callable[[str, Exported], str]


@dataclass(frozen=True)
class Reward:
    """The file in which a trainer looks for a reward, and its code below the head that finds our verifier."""

    file: str
    body: str


@dataclass(frozen=True)
class Exporter:
    """One trainer: its sheets, its reward if it takes one, the files by which it is started, and others beside the data.

    `usage` is Markdown, or makes it: what to know beside the commands of `starts`, which the README has above it, after
    `installs`, which a reward needs. All paths in it are
    relative to the export. `keeps_order` is Markdown too: the switch by which this trainer takes rows in the file's order.
    """

    name: str
    project: str
    sheets: tuple[Sheet, ...]
    keeps_order: str
    usage: str | Callable[[Exported], str] = ""
    reward: Reward | None = None
    starts: tuple[Start, ...] = ()
    installs: str = "pip install -r requirements.txt"
    files: Callable[[Exported], Mapping[str, str]] = lambda exported: {}


def embedded(row: Row) -> list[dict[str, Any]]:
    """The images with their bytes, as `datasets` stores an `Image`; an empty list for a text-only row, never null."""
    return [{"bytes": image.data, "path": image.name} for image in row.images]


def reply(row: Row, name: str = "response") -> str:
    """What the model is to say. UnfitError where that is nothing."""
    text: str | None = getattr(row, name)
    if text is None or not text.strip():
        raise UnfitError(f"empty_{name}")
    return text


def gradable(row: Row) -> None:
    """UnfitError for a row that no rule can score, where a trainer would take that for a wrong answer for ever."""
    verifier = row.columns["verifier"] or json.loads(row.columns["answer"])["kind"]
    kind = KINDS.get(verifier.partition(":")[0])
    if kind is None:  # of a release that another version of curate made
        raise UnfitError("unknown_verifier", verifier=verifier)
    if kind.judged:
        raise UnfitError("needs_judge", verifier=verifier)


ABOUT_IMAGES = ("images", "image_positions")
"""Columns that only a release with images has."""

CURRICULUM: dict[str, pa.DataType] = {
    "order": pa.int32(),
    "band": pa.string(),
    "value": pa.float64(),
    "weight": pa.float64(),
    "k": pa.int32(),
    "n": pa.int32(),
}
"""What every row of every sheet says of its place and its worth; null where the release knows none.

Trainers shuffle by default, so the order of a file alone would be lost: by these columns anybody can sort, filter or
weigh the rows again.
"""


def curriculum(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `CURRICULUM`."""
    return {name: columns.get(name) for name in CURRICULUM}


GOLD: dict[str, pa.DataType] = {
    **dict.fromkeys(("solution", "answer", "verifier", "verifier_params"), pa.string()),
    "options": pa.list_(pa.string()),
    "tags": pa.string(),
}
"""The columns by which our reward judges a response, under the names it takes them by."""


def gold(row: Row) -> dict[str, Any]:
    """The values of `GOLD`."""
    return {name: row.columns[name] for name in GOLD}


def ground_truth(row: Row) -> str:
    """The same in one string, for trainers that hand a reward no more."""
    c = row.columns
    return reward.ground_truth(c["answer"], c["verifier"], c["verifier_params"], c["options"], c["tags"])

"""What an exporter is: a list of datasets, each a function from a row to a trainer's record, and the files beside them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from filters.verify.catalogue import KINDS
from pipelines.export.rows import Image, Release, Row, UnfitError

Turns = list[dict[str, str]]


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
        """The system turn of its first row, for trainers that take one for all."""

    @property
    def interleaved(self) -> bool:
        """Whether any of its rows shows an image among its words."""

    def place(self, image: Image) -> str:
        """Write the image as a file, once, and return its path relative to the export."""

    @property
    def home(self) -> Path:
        """Where the export will lie when it is whole."""


Record = Callable[[Row, Draft], dict[str, Any]]


@dataclass(frozen=True)
class Sheet:
    """One dataset of an export, made of one split of the release.

    With `fields` it is a folder of parquet files, without them `<name>.jsonl`. The columns `ABOUT_IMAGES` are left out where
    the whole release has no image, because trainers take them for the sign of a vision model. `in_parts` are the types of
    columns that are stored otherwise where any row shows an image among its words: a column has one type.
    """

    name: str
    split: str
    record: Record
    fields: Mapping[str, pa.DataType] | None = None
    in_parts: Mapping[str, pa.DataType] = field(default_factory=dict)


@dataclass(frozen=True)
class Exported:
    """What was written, for the files beside the data: rows by sheet, verifiers and system turns seen."""

    release: Release
    rows: Mapping[str, int]
    verifiers: frozenset[str]
    systems: frozenset[str | None]


class Exporter(Protocol):
    """One trainer. `usage` is Markdown that says how it loads the export, `{home}` standing for the export's folder."""

    @property
    def name(self) -> str: ...

    @property
    def sheets(self) -> Sequence[Sheet]: ...

    @property
    def usage(self) -> str: ...

    @property
    def keeps_order(self) -> str:
        """Markdown: the switch by which this trainer takes rows in the order of the file, where it has one."""

    def finish(self, folder: Path, exported: Exported) -> None:
        """Write the files beside the data: the trainer's index, the reward."""


def turns(system: str | None, user: str, assistant: str | None = None) -> Turns:
    """A conversation of strings."""
    contents = (("system", system), ("user", user), ("assistant", assistant))
    return [{"role": role, "content": content} for role, content in contents if content is not None]


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
    if KINDS[verifier.partition(":")[0]].judged:
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

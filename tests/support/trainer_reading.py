"""What a trainer's loader made of an export, beside the release it was made of."""

import importlib.util
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from pipelines.export.catalogue import exporter_of
from pipelines.export.image_tokens import escape
from pipelines.export.rows import open_release
from pipelines.export.write import export
from schemas.digests import bytes_hash
from schemas.marks import cut

Seen = list[str]
"""Texts, and between `⟦` and `⟧` the hash of an image's pixels, as a model is shown them."""


def exported(release: Path, trainer: str, target: Path) -> Path:
    """The folder of an export for a trainer."""
    export(open_release(str(release), Path()), exporter_of(trainer), target)
    return target


def imported(path: Path) -> Any:
    """A file's module, under a name that is in no `sys.modules`: as trainers load a reward from its path."""
    spec = importlib.util.spec_from_file_location("shipped_file", path)
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def rows_of(release: Path, split: str) -> list[dict[str, Any]]:
    """The rows of a split, as the release stores them."""
    return list(pq.read_table(release / split).to_pylist())


def shown(row: dict[str, Any]) -> Seen:
    """What a row of a release asks: its texts, in which no mark is left, and its images at their places."""
    text = row["prompt"][-1]["content"]
    images = [Image.open(io.BytesIO(image["bytes"])) for image in row["images"]]
    places = row["image_positions"] or [0] * len(images)
    first, *texts = cut(text, places)
    return seen([escape(first), *(part for pair in zip(images, map(escape, texts), strict=True) for part in pair)])


def seen(parts: Iterable[Any]) -> Seen:
    """Parts as texts and images (open, or their bytes) in one form; neighbouring texts are one, and empty ones none."""
    found: Seen = []
    for part in parts:
        if not isinstance(part, str):
            opened = part if isinstance(part, Image.Image) else Image.open(io.BytesIO(part))
            found.append(f"⟦{bytes_hash(opened.convert('RGB').tobytes())[:16]}⟧")
        elif part and found and not found[-1].startswith("⟦"):
            found[-1] += part
        elif part:
            found.append(part)
    return found


def split_marks(text: str, images: Sequence[Any], mark: str = "<image>") -> list[Any]:
    """Texts and images of a string in which each mark is an image. AssertionError where there are more or fewer."""
    first, *texts = text.split(mark)
    assert len(texts) == len(images), (text, len(images))
    return [first, *(part for pair in zip(images, texts, strict=True) for part in pair)]


def gold_in(row: dict[str, Any]) -> str:
    """The gold of a released row, as it was published."""
    return str(json.loads(row["answer"])["raw"])


def answers(row: dict[str, Any]) -> list[str]:
    """A right and a wrong reply to a released row."""
    return [f"<think>…</think>\n<answer>\\boxed{{{said}}}</answer>" for said in (gold_in(row), "17")]


def rendered(text: str) -> dict[str, str]:
    """The turns of a conversation that the reference model's chat template has rendered, by role."""
    turns = (turn.split("<end_of_utterance>")[0] for turn in text.split("<|")[1:])
    return {role: content for role, _, content in (turn.partition("|>") for turn in turns)}

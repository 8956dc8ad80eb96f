"""A small release with every shape of row, made by the code that makes the rows of releases."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from filters.verify.gold import parse_gold
from generators.prompts import Prompt
from generators.scenes import iter_scenes, render
from pipelines.release.parquet_shards import Shards
from pipelines.release.rows import ReleaseConfig, record, schema
from pipelines.store.media import MediaStore
from schemas.answer import dump_answer
from schemas.ids import content_id

# (question, pictures, kind of answer, answer, options, reasoning)
ROWS: list[tuple[str, int, str, str, list[str], str]] = [
    ("What color is the shape?", 1, "text", "blue", [], "It is blue."),
    ("What is six times seven?", 0, "number", "42", [], "6 · 7 = 42."),
    ("Which picture has more shapes?", 2, "choice", "B", ["the first", "the second", "neither"], "Counting both."),
    ("Does <image> or <|image_pad|> mean <video> here?", 1, "boolean", "yes", [], "A tag such as <image> or <audio>."),
    ("Was ist\n\\frac{1}{2} von 1, in Worten „½“?", 0, "expression", "\\frac{1}{2}", [], "Die Hälfte."),
    ("Where is <bbox>?", 3, "number", "3", [], "Three pictures, <img>not one</img>."),
]
TAGS = "think_answer_boxed"


def reply(reasoning: str, answer: str) -> str:
    return f"<think>{reasoning}</think>\n<answer>\\boxed{{{answer}}}</answer>"


def _rows(split: str, media: list[str], rows: list[Any]) -> list[dict[str, Any]]:
    made = []
    for i, (question, pictures, kind, raw, options, reasoning) in enumerate(rows):
        gold = parse_gold(kind, raw, options=options)
        shown = [{"kind": "image", "sha256": sha} for sha in media[i : i + pictures]]
        made.append(
            {
                "id": content_id([split, question]),
                "question": question,
                "options": options,
                "answer": {"kind": kind, "raw": raw, "parsed": dump_answer(gold)},
                "verifier": {"id": kind, "params": "{}"},
                "media": shown,
                "source": {"dataset": "scenes", "row": str(i), "license": None},
                "group": content_id(question),
                "solution": None,
                "tags": TAGS,
                "model": "vlm",
                "k": i % 5,
                "n": 8,
                "text": reply(reasoning, raw),
                "caption": None,
                "gold_visible": False,
                "value": 0.1,
                "band": "medium",
                "index": 0,
                "chosen_text": reply(reasoning, raw),
                "chosen_model": "vlm",
                "rejected_model": "vlm",
                "rejected_text": reply("?", "17"),
                "weight": None,
                "order": i,
                "control": False,
            }
        )
    return made


def _make(folder: Path, rows: list[Any] | None = None, **given: Any) -> Path:
    """The splits of a release and as much of a manifest as exporters read."""
    store, config = MediaStore(folder / "media"), ReleaseConfig(**given)
    media = []
    for scene in iter_scenes("curate", 8, seed=5, levels=(1,)):
        file = io.BytesIO()
        render(scene).save(file, "PNG")
        media.append(store.put(file.getvalue(), "png"))
    release = folder / "releases" / "shapes" / "v1"
    for split in ("sft", "rl", "preference", "holdout"):
        table = _rows(split, media, ROWS if rows is None else rows)
        with Shards(release / split, schema(split)) as shards:
            shards.write([record(split, row, config.prompt(Prompt()), config, store) for row in table])
    if config.images == "reference":
        (release / "images").mkdir()
        for sha256 in media:
            shutil.copy(store.path(sha256), release / "images")
    (release / "manifest.json").write_text(
        json.dumps({"name": "shapes", "version": "v1", "content": content_id(given)})
    )
    return release


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with text-only, one-image and many-image rows, and texts that mention marks."""
    return _make(tmp_path_factory.mktemp("shapes"))


@pytest.fixture
def make_release(tmp_path: Path) -> Callable[..., Path]:
    """Makes such a release of given rows and with a given `ReleaseConfig`."""
    return lambda rows=None, **config: _make(tmp_path, rows, **config)


@pytest.fixture(scope="session")
def stored() -> Callable[[Path, str], list[dict[str, Any]]]:
    """The rows of a split as they lie in the release."""
    return lambda release, split: pq.read_table(release / split).to_pylist()


@pytest.fixture(scope="session")
def lines() -> Callable[[Path], list[dict[str, Any]]]:
    """The rows of a JSONL file."""
    return lambda path: [json.loads(line) for line in path.read_text("utf-8").splitlines()]

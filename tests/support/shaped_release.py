"""A small release with every shape of row, made by the code that makes the rows of releases."""

import io
import shutil
from pathlib import Path
from typing import Any

import release_shapes
from sealing import sealed

from filters.verify.gold import parse_gold
from generators.scenes import iter_scenes, render
from pipelines.release.parquet_shards import Shards
from pipelines.steps.release_rows import plain
from pipelines.store.media import MediaStore
from schemas.answer import dump_answer
from schemas.ids import content_id

# (question, images, kind of answer, answer, options, reasoning, places of the images among its words if any)
ROWS: list[tuple[Any, ...]] = [
    ("What color is the shape?", 1, "text", "blue", [], "It is blue."),
    ("What is six times seven?", 0, "number", "42", [], "6 · 7 = 42."),
    ("Which picture has more shapes?", 2, "choice", "B", ["the first", "the second", "neither"], "Counting both."),
    ("Does <image> or <|image_pad|> mean <video> here?", 1, "boolean", "yes", [], "A tag such as <image> or <audio>."),
    ("Was ist\n\\frac{1}{2} von 1, in Worten „½“?", 0, "expression", "\\frac{1}{2}", [], "Die Hälfte."),
    ("Where is <bbox>?", 3, "number", "3", [], "Three images, <img>not one</img>."),
]


def reply(reasoning: str, answer: str) -> str:
    return f"<think>{reasoning}</think>\n<answer>\\boxed{{{answer}}}</answer>"


def _rows(split: str, media: list[str], rows: list[Any]) -> list[dict[str, Any]]:
    made = []
    for i, (question, images, kind, raw, options, reasoning, *places) in enumerate(rows):
        gold = parse_gold(kind, raw, options=options)
        shown = [
            {"kind": "image", "sha256": sha, "position": places[j] if places else None}
            for j, sha in enumerate(media[i : i + images])
        ]
        facts = {
            "answer": {"kind": kind, "raw": raw, "parsed": dump_answer(gold)},
            "verifier": {"id": kind, "params": "{}"},
            "source": {"dataset": "scenes", "row": str(i), "license": None},
            "group_id": content_id(question), "k": i % 5, "training_order": i, "text": reply(reasoning, raw),
            "pair_chosen": reply(reasoning, raw), "pair_rejected": reply("?", "17"),
        }  # fmt: skip
        made.append(release_shapes.row(content_id([split, question]), question, options=options, media=shown, **facts))
    return made


def make_release(folder: Path, rows: list[Any] | None = None, images: str = "embed", system: str | None = None) -> Path:
    """The splits of a release and as much of a manifest as exporters read, below `folder`, of rows such as `ROWS`."""
    store = MediaStore(folder / "media")
    media = []
    for scene in iter_scenes("curate", 10, seed=5, levels=(1,)):
        file = io.BytesIO()
        render(scene).save(file, "PNG")
        media.append(store.put(file.getvalue(), "png"))
    release = folder / "releases" / "shapes" / "v1"
    for split, shape in release_shapes.shapes(store, images).items():
        with Shards(release / split, shape.schema) as shards:
            records = [shape.record(row) for row in _rows(split, media, ROWS if rows is None else rows)]
            for record in records if system is not None else ():
                record["prompt"].insert(0, {"role": "system", "content": plain(system or "")})
            shards.write(records)
    if images == "reference":
        (release / "images").mkdir()
        for sha256 in media:
            shutil.copy(store.path(sha256), release / "images")
    return sealed(release, {"system": system})

"""A release of every kind of answer and every tag schema, with rollouts that are scored as a build scores them."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import release_shapes
from sealing import sealed

from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.step import judged
from generators.scenes import iter_scenes, render
from pipelines.release.parquet_shards import Shards
from pipelines.store.media import MediaStore
from schemas.answer import dump_answer
from schemas.ids import content_id
from schemas.tags import TAG_SCHEMAS
from schemas.tags import render as laid_out

CASES = Path(__file__).parents[1] / "filters" / "verify" / "cases"
ODD = ["", "<think>it never ends", "<answer>A or B</answer>", "\\boxed{", "½ \U0001f600 7"]
"""Replies that say little, to some of the rows."""


class Asked(NamedTuple):
    """A row of the release to be, and replies to it."""

    kind: str
    verifier: str
    gold: str
    params: dict[str, Any]
    options: list[str]
    tags: str
    replies: list[str]

    @property
    def question(self) -> str:
        return f"{self.kind} in {self.tags}: which of {len(self.options)} is {content_id(self)[:8]}?"


def of_kinds(golds: int, replies: int) -> Iterator[Asked]:
    """Known cases: of every kind as many golds and replies to each."""
    for path in sorted(CASES.glob("*.jsonl")):
        found: dict[str, Asked] = {}
        for line in path.read_text("utf-8").splitlines():
            case = json.loads(line)
            facts = {"params": case.get("params", {}), "options": case.get("options", [])}
            tags = case.get("tags", "think_answer")
            verifier = case.get("verifier", case["kind"])
            key = json.dumps([case["kind"], verifier, case["gold"], facts, tags])
            if key not in found and len(found) >= golds:
                continue
            asked = found.setdefault(key, Asked(case["kind"], verifier, case["gold"], tags=tags, replies=[], **facts))
            if len(asked.replies) < replies:
                asked.replies.append(case["response"])
        yield from found.values()


def of_tags() -> Iterator[Asked]:
    """Every tag schema, with a right reply, a wrong one, one that is laid out otherwise, and odd ones."""
    for place, (name, schema) in enumerate(TAG_SCHEMAS.items()):
        gold, wrong = ("B", "A") if place % 2 else ("42", "17")
        kind, options = ("choice", ["cat", "dog"]) if place % 2 else ("number", [])
        sections = {s.name: "thoughts" for s in schema.sections if s.name != schema.answer}
        said = [laid_out(schema, {**sections, schema.answer: answer}) for answer in (gold, wrong)]
        yield Asked(
            kind, kind, gold, {}, options, name, [*said, f"<answer>{gold}</answer>", gold, *ODD[place % 3 :: 3]]
        )


def rows_of(asked: Asked, media: list[str], place: int) -> dict[str, Any]:
    """What the step `release` is given of a sample."""
    gold = parse_gold(asked.kind, asked.gold, options=asked.options, params=asked.params)
    shown = [{"kind": "image", "sha256": sha, "position": None} for sha in media[: place % 3]]
    facts = {
        "answer": {"kind": asked.kind, "raw": asked.gold, "parsed": dump_answer(gold)},
        "verifier": {"id": asked.verifier, "params": json.dumps(asked.params)},
        "source": {"dataset": "given", "row": str(place), "license": None},
        "k": 1, "n": 2, "training_order": place, "text": "a reply",
        "pair_chosen": "better", "pair_rejected": "worse",
    }  # fmt: skip
    id_ = content_id([place, asked.question])
    return release_shapes.row(id_, asked.question, options=asked.options, media=shown, **facts)


def logged_release(folder: Path, asked: list[Asked]) -> tuple[Path, pl.DataFrame]:
    """The release, and its rollouts: `sample_id, text, score, correct` of each."""
    store = MediaStore(folder / "media")
    media = []
    for scene in iter_scenes("curate", 2, seed=5, levels=(1,)):
        file = io.BytesIO()
        render(scene).save(file, "PNG")
        media.append(store.put(file.getvalue(), "png"))
    release = folder / "releases" / "logged" / "v1"
    rows = [rows_of(one, media, place) for place, one in enumerate(asked)]
    for split, shape in release_shapes.shapes(store).items():
        with Shards(release / split, shape.schema) as shards:
            shards.write([shape.record(row) | {"tags": one.tags} for one, row in zip(asked, rows, strict=True)])
    return sealed(release, {}), scored(asked, rows)


def scored(asked: list[Asked], rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The replies as the steps `rollout` and `verify` would have left them."""
    found = []
    with VerifierPool(workers=1) as pool:
        for tags in dict.fromkeys(one.tags for one in asked):
            replies = [
                {
                    "id": f"{row['id']}-{i}", "sample_id": row["id"], "response": reply, "finish_reason": "stop",
                    **{name: row[name] for name in ("answer", "verifier", "options")},
                }
                for one, row in zip(asked, rows, strict=True) if one.tags == tags
                for i, reply in enumerate(one.replies)
            ]  # fmt: skip
            found.append(judged(pl.DataFrame(replies, schema_overrides={"options": pl.List(pl.String)}), pool, tags))
    return pl.concat(found).select("sample_id", "score", "correct", text="response")

"""A variant: one sample asked once more with something changed, its gold answer changed with it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from generators.checks.check import Change, Check, Setting
from generators.checks.material import Material, Media
from generators.prompts import positions, unseen
from schemas.answer import dump_answer
from schemas.completion import ImagePart, Message
from schemas.ids import canonical_json, content_id
from schemas.marks import moved
from schemas.sample import ANSWER, MEDIA, VERIFIER

VARIANT = pl.Schema(
    {
        "id": pl.String(),
        "sample_id": pl.String(),
        "check": pl.String(),
        "base": pl.String(),
        "model": pl.String(),
        "n": pl.Int32(),
        "messages": pl.String(),
        "prefix": pl.String(),
        "sampling": pl.String(),
        "tags": pl.String(),
        "media": pl.List(MEDIA),
        "options": pl.List(pl.String),
        "answer": ANSWER,
        "verifier": VERIFIER,
        "detail": pl.String(),
    }
)
"""A row to ask about. `base` names what it is a variant of where a sample has several (a rollout, a trace, a form)."""


def variant_id(sample: str, check: str, base: str) -> str:
    return content_id(["variant", sample, check, base])


def render(check: Check, sample: Material, setting: Setting, change: Change) -> dict[str, Any]:
    """A row of VARIANT. Raises RenderError where the prompt cannot be filled for this sample."""
    rollouts = setting.rollouts
    shown = sample.media if change.media is None else change.media
    options = sample.options if change.options is None else change.options
    question, media = _placed(sample, change.question, shown)
    row = {**sample.row, "question": question, "options": list(options), "media": [dict(m) for m in media]}
    put = setting.asking(check.system, change.prompt or check.prompt).put({**row, **change.values})
    answer = change.answer or sample.answer
    # A reply that goes on from tags that were put before it is laid out in those, whatever the rollouts were read by.
    read_by = None if change.prefix else setting.tags
    return {
        "id": variant_id(sample.id, check.label, change.base),
        "sample_id": sample.id,
        "check": check.label,
        "base": change.base,
        "model": check.asks(rollouts.models[0]),
        "n": check.n or rollouts.n,
        "messages": canonical_json([turn.to_json() for turn in put.messages]),
        "prefix": change.prefix or put.prefix,
        "sampling": (check.sampling or rollouts.sampling).model_dump_json(),
        "tags": check.tags or read_by or rollouts.answer_tags,
        "media": row["media"],
        "options": row["options"],
        "answer": {"kind": answer.kind, "raw": answer.raw, "parsed": dump_answer(answer)},
        "verifier": {"id": change.verifier or sample.verifier, "params": "{}" if change.verifier else sample.params},
        "detail": canonical_json(dict(change.detail)),
    }


def _placed(sample: Material, question: str | None, media: Sequence[Media]) -> tuple[str, Sequence[Media]]:
    """The question that is asked, and its images at their places in it; `[image]` where they are not shown."""
    row = {"question": sample.question, "media": sample.media}
    places = positions(row)
    asked_as = sample.question if question is None else question
    if not places:
        return asked_as, media
    found = moved(places, sample.question, asked_as)
    if not any(m["kind"] == "image" for m in media):
        whole = unseen(row)
        return (whole if question is None else asked_as.replace(sample.question, whole)), media
    if found is None:
        return asked_as, [{**m, "position": None} for m in media]
    shift = found[0] - places[0]
    return asked_as, [m if m.get("position") is None else {**m, "position": m["position"] + shift} for m in media]


def read_messages(text: str) -> tuple[Message, ...]:
    """The inverse of how a variant stores its messages."""
    turns: Sequence[Mapping[str, Any]] = json.loads(text)
    return tuple(
        Message(t["role"], tuple(p["text"] if "text" in p else ImagePart(p["image"]) for p in t["content"]))
        for t in turns
    )

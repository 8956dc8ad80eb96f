"""Rows that are asked once more with something changed: what a check may see of a row, and how its variants are put."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from filters.checks.score import drop_bad_golds
from generators.asking.config import AskConfig
from generators.asking.requests import Asking
from generators.checks.catalogue import ChecksConfig, variants
from generators.checks.variant import Material, Pictures, Put, Setting, Told
from generators.rollouts import RolloutsConfig
from generators.template import Template, asked
from schemas.answer import load_answer
from schemas.completion import Message
from schemas.split import Split

OTHERS = 64
"""Golds of other rows of the same source and kind that a wrong claim may be drawn from."""

_FIELD = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")


def tags_of(own: AskConfig) -> str:
    return "plain" if own.reply == "text" else own.reply.tags or "plain"


def rollouts_of(own: AskConfig, model: str, n: int) -> RolloutsConfig:
    """What checks take from the rollouts that they change: sampling and tag schema; `model` and `n` are the section's."""
    return RolloutsConfig(model=model, n=n, sampling=own.sampling, tags=tags_of(own))


def make_variants(
    rows: pl.DataFrame,
    told: Mapping[str, Mapping[str, Sequence[Told]]],
    config: ChecksConfig,
    own: AskConfig,
    pictures: Pictures,
    seed: int,
) -> Split:
    """A row of `generators.checks.variant.VARIANT` for everything that checks ask about `rows`, and what cannot be asked.

    `told` has the `replies` and `traces` of rows by their ids; `own` is the section that the rows' rollouts were asked by.
    """
    known = {row["id"]: row for row in rows.iter_rows(named=True)}
    setting = Setting(config.rollouts, pictures, seed, lambda put: _put(put, known[put.id], own))
    made = variants(_materials(known.values(), told), config, setting)
    kept, bad = drop_bad_golds(made.kept)
    return Split(kept, pl.concat([made.dropped, bad]))


def _put(put: Put, row: Mapping[str, Any], own: AskConfig) -> Sequence[Message]:
    """The turns of a variant: those of the row's rollouts, with other words, options or images."""
    asking = Asking(own)
    prompt = asking.prompt if put.prompt is None else Template(_FIELD.sub(r"{{ \1 }}", put.prompt))
    system = asking.system if put.system is None else Template(put.system)
    values = {**row, "question": put.question, "options": list(put.options), "media": list(put.media), **put.values}
    return asked(values, prompt, system, bool(put.media) and bool(own.shown))


def _materials(rows: Any, told: Mapping[str, Mapping[str, Sequence[Told]]]) -> Iterator[Material]:
    for row in rows:
        if row["gold:answer"] is None or row["question"] is None:
            continue
        said = told.get(row["id"], {})
        yield Material(
            id=row["id"],
            question=row["question"],
            options=tuple(row["options"] or ()),
            media=tuple(row["media"] or ()),
            answer=load_answer(row["gold:answer"]["parsed"]),
            verifier=row["gold:verifier"]["id"],
            params=row["gold:verifier"]["params"] or "{}",
            meta=_meta(row["check:meta"]),
            caption=row.get("check:caption"),
            replies=tuple(said.get("replies", ())),
            traces=tuple(said.get("traces", ())),
            others=tuple(row["check:others"] or ()),
        )


def _meta(text: str | None) -> dict[str, Any]:
    found = json.loads(text or "{}")
    return found if isinstance(found, dict) else {}

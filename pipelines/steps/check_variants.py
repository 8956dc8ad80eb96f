"""Rows that are asked once more with something changed: what a check may see of a row, and its variants."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from filters.checks.score import drop_bad_golds
from generators.checks.catalogue import variants
from generators.checks.check import Check, Setting
from generators.checks.material import EarlierReply, Material
from schemas.answer import load_answer
from schemas.split import Split

OTHERS = 64
"""Golds of other rows of the same source and kind that a wrong claim may be drawn from."""

Earlier = Mapping[str, Mapping[str, Sequence[EarlierReply]]]
"""The `replies` and `traces` of rows, by their ids."""


def make_variants(rows: pl.DataFrame, earlier: Earlier, checks: Sequence[Check], setting: Setting) -> Split:
    """A row of `generators.checks.variant.VARIANT` for everything that checks ask about `rows`, and what cannot be asked."""
    made = variants(_materials(rows.iter_rows(named=True), earlier), checks, setting)
    kept, bad = drop_bad_golds(made.kept)
    return Split(kept, pl.concat([made.dropped, bad]))


def _materials(rows: Iterable[Mapping[str, Any]], earlier: Earlier) -> Iterator[Material]:
    for row in rows:
        if row["gold:answer"] is None or row["question"] is None:
            continue
        mine = earlier.get(row["id"], {})
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
            replies=tuple(mine.get("replies", ())),
            traces=tuple(mine.get("traces", ())),
            others=tuple(row["check:others"] or ()),
            row=row,
        )


def _meta(text: str | None) -> dict[str, Any]:
    found = json.loads(text or "{}")
    return found if isinstance(found, dict) else {}

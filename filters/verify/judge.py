"""How far a judge can be trusted: answers whose verdicts are known, and how often it agrees with them.

What a judge is shown, and which of its replies mean what, is a step of the recipe (`generators.presets.judge`).
"""

import json
import math
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import polars as pl

from filters.verify.catalogue import KINDS
from filters.verify.verifier import state_of
from schemas.answer import load_answer
from schemas.ids import content_id, seeded


def calibration_rows(samples: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Rows with known verdicts to put to a judge: each gold against itself, and against another row's gold.

    Columns `id, sample_id, question, gold, answer, rubric, known`; the ids are new. Other golds come from rows of the
    same source and kind and differ from the row's own.
    """
    rows = list(_golds(samples))
    groups: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        groups.setdefault((row["source"], row["kind"]), set()).add(row["gold"])
    every = {group: sorted(golds) for group, golds in groups.items()}
    out = []
    for row in rows:
        out.append(_asked(row, row["gold"], True))
        golds = every[row["source"], row["kind"]]
        if len(golds) > 1:
            place = seeded(seed, row["id"]).choice(range(len(golds) - 1))
            out.append(_asked(row, golds[place + (place >= bisect_left(golds, row["gold"]))], False))
    names = ("id", "sample_id", "question", "gold", "answer", "rubric")
    return pl.DataFrame(out, schema={**dict.fromkeys(names, pl.String), "known": pl.Boolean})


def _golds(samples: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for row in samples.iter_rows(named=True):
        gold = load_answer(row["answer"]["parsed"])
        verifier = row["verifier"] or {}
        stated = (
            gold.raw if gold.kind not in KINDS else state_of(gold, None, json.loads(verifier.get("params") or "{}"))
        )
        shown = {"id": row["id"], "question": row["question"], "kind": gold.kind, "gold": stated}
        yield shown | {"source": row["source"]["dataset"]}


def _asked(row: dict[str, Any], answer: str, known: bool) -> dict[str, Any]:
    shown = {"sample_id": row["id"], "question": row["question"], "gold": row["gold"], "answer": answer}
    return {"id": content_id(["calibration", row["id"], answer, known]), **shown, "rubric": None, "known": known}


def calibrate(rows: pl.DataFrame) -> pl.DataFrame:
    """How far a judge can be trusted: one row of figures from `known` (bool) and `correct` (bool, null: unscored).

    `agreement` is over the scored rows, with its 95 % Wilson interval; `false_accept` is the share of wrong answers
    called right, `false_reject` that of right answers called wrong; `kappa` is Cohen's.
    """
    scored = rows.drop_nulls(["known", "correct"])
    known, judged = scored["known"], scored["correct"]
    n = scored.height
    agree = int((known == judged).sum())
    low, high = wilson(agree, n)
    wrong, right = scored.filter(~pl.col("known")), scored.filter(pl.col("known"))
    figures = {
        "rows": rows.height,
        "scored": n,
        "unscored": rows.height - n,
        "agreement": agree / n if n else None,
        "agreement_low": low,
        "agreement_high": high,
        "false_accept": wrong["correct"].mean() if wrong.height else None,
        "false_reject": (~right["correct"]).mean() if right.height else None,
        "kappa": _kappa(agree, int(known.sum()), int(judged.sum()), n),
    }
    counts = dict.fromkeys(("rows", "scored", "unscored"), pl.Int64)
    return pl.DataFrame([figures], schema={k: counts.get(k, pl.Float64) for k in figures})


def wilson(hits: int, n: int, z: float = 1.959963984540054) -> tuple[float | None, float | None]:
    """The Wilson score interval of a share (Wilson 1927); (None, None) for no trials."""
    if n == 0:
        return None, None
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _kappa(agree: int, known: int, judged: int, n: int) -> float | None:
    if n == 0:
        return None
    chance = (known * judged + (n - known) * (n - judged)) / (n * n)
    return (agree / n - chance) / (1 - chance) if chance < 1 else None

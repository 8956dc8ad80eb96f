"""The last tier: a model judges what rules left unscored. Requests go through the completions log like all others."""

import json
import math
from collections.abc import Iterator
from typing import Any

import polars as pl
from pydantic import Field, field_validator

from filters.verify.catalogue import KINDS
from filters.verify.contracts import CONTRACTS
from filters.verify.verifier import state_of
from schemas.answer import load_answer
from schemas.completion import Message, Request, Sampling
from schemas.ids import content_id, seeded
from schemas.reply import said_in
from schemas.section import Section
from schemas.split import Split, split
from schemas.verdict import VERDICT

COLUMNS = ("id", "question", "gold", "answer", "rubric")
"""What `requests` reads: `gold` and `answer` as texts, `rubric` may be null."""


class JudgeConfig(Section):
    """Which model judges, under which contract."""

    model: str = Field(description="a name from `models`")
    contract: str = Field(default="equivalence", description="a name from `filters.verify.contracts.CONTRACTS`")
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=256)
    votes: int = Field(default=1, ge=1, description="replies asked for; the score is the mean of the readable ones")
    threshold: float = Field(default=0.5, gt=0, le=1, description="correct from this score on")

    @field_validator("contract")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in CONTRACTS:
            raise ValueError(f"there is no judge contract {name!r}; there are {', '.join(CONTRACTS)}")
        return name


def requests(rows: pl.DataFrame, config: JudgeConfig) -> Iterator[Request]:
    """One request a row with an answer; a row without one needs no judge."""
    contract = CONTRACTS[config.contract]
    for row in rows.select(COLUMNS).iter_rows(named=True):
        if row["answer"] is None:
            continue
        fields = {name: row[name] or "none given" for name in contract.inputs}
        messages = (Message("system", (contract.system,)), Message("user", (contract.prompt.format(**fields),)))
        yield Request(row["id"], messages, config.sampling, n=config.votes)


def collect(answers: pl.DataFrame, config: JudgeConfig) -> Split:
    """Verdicts by row: `id` and the columns of `VERDICT`, tier `judge`.

    `answers` is the input joined with its completions, one row a reply (`id, answer, gold, index, text, finish_reason,
    error`). What a reply says after its thinking is read; a cut-off or unreadable one counts as none, and a row whose
    replies are all like that is kept, unscored. Rows whose every reply failed are dropped as `judge:unanswered` or
    `judge:error`.
    """
    schema: dict[str, Any] = {"id": pl.String, "reason": pl.String, "error": pl.String, **VERDICT}
    judged = [_judged(rows, config) for rows in answers.sort("id", "index").partition_by("id", maintain_order=True)]
    table = pl.DataFrame(judged, schema=schema)
    parted = split(table, pl.col("reason"), {"error": pl.col("error")})
    return Split(parted.kept.select("id", *VERDICT), parted.dropped)


def _judged(rows: pl.DataFrame, config: JudgeConfig) -> dict[str, Any]:
    replies = rows.to_dicts()
    usable = [r for r in replies if r["finish_reason"] in ("stop", "length")]
    base = {"id": replies[0]["id"], "extracted": replies[0]["answer"], "tier": "judge"}
    base |= {"parsed_gold": replies[0]["gold"], "parsed_response": replies[0]["answer"]}
    if not usable:
        asked = any(r["finish_reason"] == "error" for r in replies)
        words = next((r["error"] for r in replies if r["error"]), None)
        return base | {"reason": "judge:error" if asked else "judge:unanswered", "error": words}
    contract = CONTRACTS[config.contract]
    scores = [contract.read(said_in(r["text"] or "")) if r["finish_reason"] == "stop" else None for r in usable]
    readable = [score for score in scores if score is not None]
    if not readable:
        return base | {"explanation": f"none of {len(usable)} replies fits the contract {contract.name}"}
    score = sum(readable) / len(readable)
    about = f"judge {contract.name}: {len(readable)} of {len(usable)} replies readable, mean {score:.2f}"
    return base | {"score": score, "correct": score >= config.threshold, "explanation": about}


def calibration_rows(samples: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Rows with known verdicts to put to a judge: each gold against itself, and against another row's gold.

    Columns `id, sample_id, question, gold, answer, rubric, known`; the ids are new. Other golds come from rows of the
    same source and kind and differ from the row's own.
    """
    rows = list(_golds(samples))
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row["source"], row["kind"]), []).append(row["gold"])
    out = []
    for row in rows:
        out.append(_asked(row, row["gold"], True))
        others = sorted({g for g in groups[row["source"], row["kind"]] if g != row["gold"]})
        if others:
            out.append(_asked(row, seeded(seed, row["id"]).choice(others), False))
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
    known, said = scored["known"], scored["correct"]
    n = scored.height
    agree = int((known == said).sum())
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
        "kappa": _kappa(agree, int(known.sum()), int(said.sum()), n),
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


def _kappa(agree: int, known: int, said: int, n: int) -> float | None:
    if n == 0:
        return None
    chance = (known * said + (n - known) * (n - said)) / (n * n)
    return (agree / n - chance) / (1 - chance) if chance < 1 else None

"""Does the verifier of each row do its job? Asked before any model is, with answers whose verdicts are known."""

import json
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from filters.verify.catalogue import KINDS
from filters.verify.pool import VerifierPool
from filters.verify.verifier import VerifyItem, state_of
from schemas.answer import Answer, BooleanAnswer, ChoiceAnswer, load_answer
from schemas.ids import seeded
from schemas.split import DROPPED, Split
from schemas.verdict import Verdict

DRAWS = 2
"""Golds of other rows that each row is tried with."""
ENOUGH = 0.95
"""Share of those draws that must score nothing, in each source and kind."""
REFUSALS = ("I cannot answer this question.", "It cannot be determined from the image.")
_MOST_LISTED = 4
_TRIES = 20

CHECKS = pl.Schema(
    {
        "id": pl.String,
        "source": pl.String,
        "kind": pl.String,
        "check": pl.String,
        "response": pl.String,
        "passed": pl.Boolean,
        "score": pl.Float64,
        "tier": pl.String,
        "explanation": pl.String,
    }
)


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    source: str
    gold: Answer
    verifier: str | None
    params: Mapping[str, Any]
    options: tuple[str, ...]
    stated: str

    @property
    def kind(self) -> str:
        return (self.verifier or self.gold.kind).partition(":")[0]

    @property
    def shown(self) -> str:
        return f"{self.gold.kind} {KINDS[self.gold.kind].show(self.gold)}"


def selftest(samples: pl.DataFrame, seed: int, pool: VerifierPool | None = None) -> Split:
    """Drops as `verify:selftest` the rows whose verifier fails a check on them; `evidence` names the first such check.

    A draw of another row's gold that scores 1 drops its row only where draws of its source and kind do so in more than
    5 % of cases: now and then two different golds mean the same.
    """
    tried = checks(samples, seed, pool)
    failed = tried.filter(~pl.col("passed")).join(_leaky(tried), on=["source", "kind"], how="left")
    failed = failed.filter((pl.col("check") != "other") | pl.col("leaky").fill_null(False))
    first = failed.unique("id", keep="first", maintain_order=True)
    evidence = pl.struct("check", "response", "score", "tier", "explanation").struct.json_encode()
    dropped = first.select("id", pl.lit("verify:selftest").alias("reason"), evidence.alias("evidence"))
    kept = samples.join(dropped.select("id"), on="id", how="anti", maintain_order="left")
    order = samples.select("id").join(dropped, on="id", how="inner", maintain_order="left")
    return Split(kept, order.cast(DROPPED))


def checks(samples: pl.DataFrame, seed: int, pool: VerifierPool | None = None) -> pl.DataFrame:
    """Every check of every row, as `CHECKS`: the gold itself, other golds, nothing, refusals, all options at once."""
    rows, broken = _read(samples)
    plan = _plan(rows, seed)
    if pool is None:
        with VerifierPool() as own:
            judged = list(_records(plan, own))
    else:
        judged = list(_records(plan, pool))
    return pl.DataFrame(broken + judged, schema=CHECKS, orient="row")


def report(tried: pl.DataFrame) -> pl.DataFrame:
    """Of `checks`: for each source, kind and check, how many were tried and how many passed."""
    grouped = tried.group_by("source", "kind", "check").agg(
        pl.len().alias("tried"), pl.col("passed").sum().alias("passed"), pl.col("passed").mean().alias("share")
    )
    return grouped.sort("source", "kind", "check")


def _leaky(tried: pl.DataFrame) -> pl.DataFrame:
    others = tried.filter(pl.col("check") == "other").group_by("source", "kind")
    return others.agg((pl.col("passed").mean() < ENOUGH).alias("leaky"))


def _read(samples: pl.DataFrame) -> tuple[list[_Row], list[tuple[Any, ...]]]:
    rows, broken = [], []
    for row in samples.iter_rows(named=True):
        source = row["source"]["dataset"]
        answer, verifier = row["answer"] or {}, row["verifier"] or {}
        try:
            gold = load_answer(answer["parsed"] or "")
            params = json.loads(verifier.get("params") or "{}")
            stated = state_of(gold, verifier.get("id"), params)
        except (ValueError, KeyError) as error:
            about = f"gold, verifier and parameters do not fit: {type(error).__name__}: {str(error)[:200]}"
            broken.append((row["id"], source, answer.get("kind"), "gold", None, False, None, "none", about))
            continue
        rows.append(_Row(row["id"], source, gold, verifier.get("id"), params, tuple(row["options"] or ()), stated))
    return rows, broken


def _plan(rows: list[_Row], seed: int) -> Iterator[tuple[_Row, str, VerifyItem, bool]]:
    """(row, check, item, whether it should be correct)."""
    golds: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in rows:
        golds[row.source, row.kind].setdefault(row.shown, row.stated)
    listed = {key: list(group.items()) for key, group in golds.items()}
    for row in rows:
        if KINDS[row.kind].judged:
            continue
        group = listed[row.source, row.kind]
        yield row, "self", _ask(row, row.stated), True
        yield from ((row, "other", _ask(row, text), False) for text in _draw(row, group, seed))
        yield row, "empty", _ask(row, ""), False
        if row.kind != "abstain":
            yield from ((row, "refusal", _ask(row, text), False) for text in REFUSALS)
        yield from ((row, "all_options", _ask(row, text), False) for text in _everything(row, group[:_MOST_LISTED]))


def _draw(row: _Row, group: Sequence[tuple[str, str]], seed: int) -> list[str]:
    """What up to `DRAWS` other golds of the group state; a letter that the row does not offer is no draw."""
    chance = seeded(seed, row.id)
    drawn: dict[str, str] = {}
    for _ in range(_TRIES):
        shown, text = group[chance.randrange(len(group))]
        if shown != row.shown and (row.kind != "choice" or not row.options or _has(row, shown)):
            drawn[shown] = text
        if len(drawn) == DRAWS:
            break
    return list(drawn.values())


def _has(row: _Row, shown: str) -> bool:
    letters = shown.removeprefix("choice ").split(",")
    return all("ABCDEFGHIJKLMNOPQRSTUVWXYZ".find(x) < len(row.options) for x in letters)


def _everything(row: _Row, others: Sequence[tuple[str, str]]) -> list[str]:
    """Ways to name every answer at once."""
    if isinstance(row.gold, ChoiceAnswer):
        if not row.options or len(row.gold.letters) == len(row.options):
            return []
        letters = [chr(ord("A") + i) for i in range(len(row.options))]
        return [", ".join(letters), ", ".join(row.options)]
    if isinstance(row.gold, BooleanAnswer):
        return ["yes or no"]
    strangers = [text for shown, text in others if shown != row.shown]
    if row.kind not in ("number", "expression", "text", "set") or len(strangers) < 2:
        return []
    return [", ".join([row.stated, *strangers])]


def _ask(row: _Row, text: str) -> VerifyItem:
    response = text if "<answer>" in text else f"<answer>{text}</answer>"
    return VerifyItem(response, row.gold, row.verifier, row.params, row.options)


def _records(plan: Iterator[tuple[_Row, str, VerifyItem, bool]], pool: VerifierPool) -> Iterator[tuple[Any, ...]]:
    steps: deque[tuple[_Row, str, VerifyItem, bool]] = deque()

    def items() -> Iterator[VerifyItem]:
        for step in plan:
            steps.append(step)
            yield step[2]

    for verdict in pool.verify_many(items()):
        yield _record(*steps.popleft(), verdict)


def _record(row: _Row, check: str, item: VerifyItem, wanted: bool, verdict: Verdict) -> tuple[Any, ...]:
    passed = verdict.correct is True if wanted else not verdict.correct
    said = item.response[:500]
    return row.id, row.source, row.kind, check, said, passed, verdict.score, verdict.tier, verdict.explanation

"""Does each verifier do its job? Asked before any model is, with answers whose verdicts are known.

It tests verifiers. What they make of other rows' golds is counted by source and kind and reported; it drops no row, because
two right boxes may overlap and two right numbers may be near each other. A row is dropped for what is its own: its gold
does not score itself, or an answer that says nothing, or everything at once, scores.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from filters.verify import everything
from filters.verify.catalogue import KINDS
from filters.verify.others import Others
from filters.verify.pool import VerifierPool
from filters.verify.run import NO_TIME
from filters.verify.verdicts import Gold, Golds, judge
from filters.verify.verifier import state_of
from schemas.answer import ChoiceAnswer, ExpressionAnswer
from schemas.ids import canonical_json, seeded
from schemas.split import DROPPED, Split
from schemas.verdict import Verdict

DRAWS = 2
"""Golds of other rows that each row is tried with."""
REFUSALS = ("I cannot answer this question.", "It cannot be determined from the image.")
_MOST_LISTED = 4
_TRIES = 20

COUNTS = pl.Schema({"source": pl.String, "kind": pl.String, "check": pl.String, "tried": pl.Int64, "passed": pl.Int64})
"""How often each check was tried and passed. Checks: `gold` (gold, verifier and parameters fit), `self` (the gold scores
itself), `other` (another row's gold does not score), `empty`, `refusal` and `everything` (none of them scores)."""


Tally = Counter[tuple[str, str, str, bool]]
"""(source, kind, check, passed) → how often."""


class Trial(NamedTuple):
    """The rows, kept and dropped, and what was tried on them (`COUNTS`)."""

    split: Split
    counts: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    source: str
    gold: Gold
    shown: str
    stated: str


@dataclass(frozen=True, slots=True)
class _Check:
    row: _Row
    name: str
    response: str

    @property
    def asked(self) -> tuple[Gold, str, str]:
        text = self.response
        return self.row.gold, text if "<answer>" in text else f"<answer>{text}</answer>", "think_answer"

    def passed(self, verdict: Verdict) -> bool:
        if self.name == "time":
            return verdict.tier != "timeout" or verdict.explanation == NO_TIME
        return verdict.correct is True if self.name == "self" else not verdict.correct


class OtherGolds:
    """Golds of other rows, by source and kind: what they show to people, and what a response that gives them says."""

    def __init__(self, seed: int) -> None:
        self._others = Others(seed)
        self._stated: dict[tuple[str, str], list[tuple[str, str]]] = {}

    def add(self, samples: pl.DataFrame) -> None:
        """Look at a batch of `source, answer, verifier`."""
        for source, answer, verifier in samples.select("source", "answer", "verifier").iter_rows():
            if answer and answer["parsed"]:
                name, params = (verifier["id"], verifier["params"]) if verifier else (None, None)
                kind = (name or answer["kind"]).partition(":")[0]
                self._others.add((source["dataset"], kind), canonical_json([answer["parsed"], name, params]))

    def of(self, source: str, kind: str) -> list[tuple[str, str]]:
        """(shown, stated) of the golds of a source and kind, each once."""
        group = (source, kind)
        if group not in self._stated:
            self._stated[group] = list(dict(_stated(self._others.of(group))).items())
        return self._stated[group]


def selftest(samples: pl.DataFrame, others: OtherGolds, seed: int, pool: VerifierPool) -> Trial:
    """Put a batch of golds (`id, source, options, answer, verifier`) to their verifiers.

    Drops as `selftest:<check>` (of `COUNTS`) the rows that fail a check of their own; `evidence` says what was tried.
    """
    rows, failed, tally = _read(samples)
    checks = [check for row in rows for check in _checks(row, others, seed)]
    for check, verdict in zip(checks, judge((check.asked for check in checks), pool), strict=True):
        passed = check.passed(verdict)
        tally[check.row.source, check.row.gold.kind, check.name, passed] += 1
        if not passed and check.name != "other":
            failed.setdefault(check.row.id, _evidence(check, verdict))
    gone = [
        (id_, f"selftest:{json.loads(failed[id_])['check']}", failed[id_]) for id_ in samples["id"] if id_ in failed
    ]
    dropped = pl.DataFrame(gone, schema=DROPPED, orient="row")
    kept = samples.filter(~pl.col("id").is_in(list(failed)))
    return Trial(Split(kept, dropped), _counted(tally))


def add_up(counts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The counts of several batches as one table."""
    keys = ("source", "kind", "check")
    table = pl.concat([pl.DataFrame(schema=COUNTS), *counts])
    return table.group_by(keys).agg(pl.col("tried", "passed").sum()).sort(keys)


def _counted(tally: Tally) -> pl.DataFrame:
    rows = [(*key, count, count * passed) for (*key, passed), count in tally.items()]
    return add_up([pl.DataFrame(rows, schema=COUNTS, orient="row")])


def _stated(golds: list[str]) -> Iterator[tuple[str, str]]:
    for text in golds:
        parsed, name, params = json.loads(text)
        try:
            gold = Golds().read({"parsed": parsed}, {"id": name, "params": params}, None)
            yield _shown(gold), state_of(gold.answer, name, gold.params)
        except (ValueError, KeyError):
            continue  # its own row says so


def _shown(gold: Gold) -> str:
    return f"{gold.answer.kind} {KINDS[gold.answer.kind].show(gold.answer)}"


def _read(samples: pl.DataFrame) -> tuple[list[_Row], dict[str, str], Tally]:
    """The rows whose gold, verifier and parameters fit; the evidence of the others; the counts of both."""
    rows: list[_Row] = []
    broken: dict[str, str] = {}
    tally: Tally = Counter()
    golds = Golds()
    columns = samples.select("id", "source", "answer", "verifier", "options").iter_rows()
    for id_, source, answer, verifier, options in columns:
        kind = str((verifier or {}).get("id") or (answer or {}).get("kind")).partition(":")[0]
        try:
            gold = golds.read(answer or {"parsed": ""}, verifier, options)
            rows.append(
                _Row(id_, source["dataset"], gold, _shown(gold), state_of(gold.answer, gold.verifier, gold.params))
            )
        except (ValueError, KeyError) as error:
            about = f"gold, verifier and parameters do not fit: {type(error).__name__}: {str(error)[:200]}"
            broken[id_] = json.dumps(
                {"check": "gold", "response": None, "score": None, "tier": "none", "explanation": about}
            )
        tally[source["dataset"], kind, "gold", id_ not in broken] += 1
    return rows, broken, tally


def _checks(row: _Row, others: OtherGolds, seed: int) -> Iterator[_Check]:
    kind = row.gold.kind
    if KINDS[kind].judged:
        return
    group = others.of(row.source, kind)
    yield _Check(row, "self", row.stated)
    yield from (_Check(row, "time", text) for text in _brief(row))
    yield from (_Check(row, "other", text) for text in _draw(row, group, seed))
    yield _Check(row, "empty", "")
    if kind != "abstain":
        yield from (_Check(row, "refusal", text) for text in REFUSALS)
    yield from (_Check(row, "everything", text) for text in _everything(row, group[:_MOST_LISTED]))


def _brief(row: _Row) -> list[str]:
    """Answers that take no time themselves: what spends its budget on them is the gold, and would on a right answer."""
    return ["1", f"2({row.stated})/2"] if isinstance(row.gold.answer, ExpressionAnswer) else []


def _draw(row: _Row, group: Sequence[tuple[str, str]], seed: int) -> list[str]:
    """What up to `DRAWS` other golds of the group state; a letter that the row does not offer is no draw."""
    chance = seeded(seed, row.id)
    drawn: dict[str, str] = {}
    for _ in range(_TRIES if group else 0):
        shown, text = group[chance.randrange(len(group))]
        if shown != row.shown and (row.gold.kind != "choice" or not row.gold.options or _has(row, shown)):
            drawn[shown] = text
        if len(drawn) == DRAWS:
            break
    return list(drawn.values())


def _has(row: _Row, shown: str) -> bool:
    letters = shown.removeprefix("choice ").split(",")
    return all("ABCDEFGHIJKLMNOPQRSTUVWXYZ".find(x) < len(row.gold.options) for x in letters)


def _everything(row: _Row, others: Sequence[tuple[str, str]]) -> list[str]:
    """Ways to name every answer at once."""
    gold = row.gold.answer
    if isinstance(gold, ChoiceAnswer):
        return everything.options_at_once(gold, row.gold.options)
    cover = everything.whole(gold, row.gold.verifier or gold.kind)
    if cover is not None:
        return [state_of(cover, row.gold.verifier, row.gold.params)]
    strangers = [text for shown, text in others if shown != row.shown]
    return everything.both_truths(gold) + everything.strangers_too(row.gold.kind, row.stated, strangers)


def _evidence(check: _Check, verdict: Verdict) -> str:
    report = {"check": check.name, "response": check.asked[1][:500], "score": verdict.score, "tier": verdict.tier}
    return json.dumps({**report, "explanation": verdict.explanation}, ensure_ascii=False)

"""Ask for rollouts in waves: a sample whose answers so far decide is asked no more.

There is no barrier between waves. The driver pulls calls from one stream; when an answer comes it is verified, and
either its sample is closed or its next wave goes to the head of the stream. The engine's window stays full until the
stream ends, so it idles once, at the tail of the last wave, as it does for a fixed number of rollouts.

Nothing of this is remembered but the answers, in the log. What a sample was asked follows from them alone
(`StoppingRule.walk`), so a build that was killed goes on where it stopped, and a replay comes to the same rows.
Decisions are made on the verdicts of rules, not of a judge: a judge is asked once all rollouts are there.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import polars as pl

from filters.difficulty import DifficultyConfig, verdict_of
from filters.stopping import Said, StoppingRule
from filters.trace_verdicts import verify_item
from filters.verify.pool import VerifierPool
from pipelines.road.ask import Paths, send, take, write_wanted
from pipelines.road.stage import Build, Requests, Shards, Stage, shards
from pipelines.run.driver import Call, Receipt
from pipelines.run.refusals import Refusals
from pipelines.store.ordering import write_joined
from pipelines.store.row_groups import batches
from pipelines.store.workspace import write_table
from schemas.completion import Completion, ModelIdentity, prompt_key
from schemas.verdict import Verdict

STOPS = pl.Schema(
    {
        "id": pl.String(),
        "model": pl.String(),
        "asked": pl.Int32(),
        "right": pl.Int32(),
        "wrong": pl.Int32(),
        "in_band": pl.Boolean(),
        "stopped": pl.String(),
        "said": pl.List(pl.String),
    }
)
"""Where each sample stopped, by the verdicts of rules; `said` is what is known of each of its n rollouts."""

Listen = Callable[[dict[str, Any], list[tuple[str | None, str | None]]], list[Said]]
"""What replies (finish reason, text) to a row say; the row has its gold answer."""


def ask_model(build: Build, stage: Stage, model: str, paths: Paths, parts: Shards) -> Receipt:
    """`pipelines.road.ask.ask_model` for adaptive rollouts; beside the kept table it writes `stops`."""
    asks, section, identity = stage.asks, stage.section(build.recipe), build.identities[model]
    assert asks is not None
    rule, receipt = StoppingRule(section.n, section.adaptive), Receipt()
    stops = paths.needy.with_name(f"stops-{paths.needy.stem}.parquet")
    verify = build.recipe.verify
    try:
        write_wanted(paths.input, model, identity, asks.requests, section, paths.wanted, paths.passed)
        build.log.heal()
        refusals = Refusals(build, model, paths.wanted)
        refusals.leave_out(paths.missing, build.log.missing(paths.wanted, paths.missing))
        with VerifierPool(verify.workers, verify.budget_s) as pool:
            listen = _listener(pool, section.tags, build.recipe.difficulty)
            answering = True
            while True:
                pieces = refusals.explained(build.log.answers(paths.wanted, paths.input))
                _settle(pieces, rule, model, listen, stops)
                open_, most = _still_open(paths, stops)
                if not open_ or not answering:
                    break
                calls = Waves(_needy(paths.needy, identity, asks.requests, section), rule, listen)
                got = send(build, stage, model, most, calls, refusals, calls.heard)
                _add(receipt, got)
                # Rows that share a prompt are asked as one; where their golds differ, the others may want more.
                answering = got.samples > 0 and not got.unanswered
        parts.add("stops", pl.read_parquet(stops))
        pieces = refusals.explained(build.log.answers(paths.wanted, paths.input))
        _collect(stage, section, model, pieces, stops, parts)
        refusals.note(receipt)
        return receipt
    finally:
        for path in (paths.missing, paths.needy, stops):
            path.unlink(missing_ok=True)


def _listener(pool: VerifierPool, tags: str, counting: DifficultyConfig) -> Listen:
    def listen(row: dict[str, Any], replies: list[tuple[str | None, str | None]]) -> list[Said]:
        gold = (row["answer"], row["verifier"], row["options"], tags)
        told = iter(pool.verify_many(verify_item(text, *gold) for finish, text in replies if finish == "stop"))
        return [_said(finish, next(told) if finish == "stop" else None, counting) for finish, _ in replies]

    return listen


def _said(finish: str | None, verdict: Verdict | None, counting: DifficultyConfig) -> Said:
    if finish is None:
        return "missing"
    correct = verdict.correct if verdict else None
    unread = verdict is not None and verdict.parsed_response is None
    counts = counting.counts(verdict_of(finish, correct, unread))
    return "unscored" if counts is None else "right" if counts else "wrong"


def _settle(answers: Iterable[pl.DataFrame], rule: StoppingRule, model: str, listen: Listen, out: Path) -> None:
    """Write where each sample stands, from the answers that there are, to `out`."""
    with shards(out.parent, out.stem) as parts:
        for batch in answers:
            found = []
            replies = batch.group_by("id", maintain_order=True).agg("finish_reason", "text")
            firsts = batch.unique("id", keep="first", maintain_order=True).select("id", "answer", "verifier", "options")
            for row in firsts.join(replies, on="id", maintain_order="left").iter_rows(named=True):
                said = listen(row, list(zip(row["finish_reason"], row["text"], strict=True)))
                found.append((row["id"], model, *rule.walk(said), said))
            parts.add(out.stem, pl.DataFrame(found, schema=STOPS, orient="row"))
        parts.finish(out.stem, pl.DataFrame(schema=STOPS))


def _still_open(paths: Paths, stops: Path) -> tuple[int, int]:
    """Write the open samples, one a prompt, to `needy`; return how many, and how many rollouts they may need at most."""
    prompts = pl.scan_parquet(paths.wanted).select("id", "prompt_key").unique()
    open_ = pl.scan_parquet(stops).filter(pl.col("stopped") == "unanswered").select("id", "said")
    rows = open_.join(prompts, on="id").sort("id").unique("prompt_key", keep="first", maintain_order=True)
    write_table(rows.drop("prompt_key").sort("id"), paths.missing)
    write_joined(paths.input, paths.missing, paths.needy)
    missing = pl.col("said").list.count_matches("missing")
    count, most = pl.scan_parquet(paths.needy).select(pl.len(), missing.sum().alias("most")).collect().row(0)
    return int(count), int(most or 0)


def _needy(
    needy: Path, identity: ModelIdentity, requests: Requests, section: Any
) -> Iterator[tuple[dict[str, Any], Call]]:
    """Each open row, with the call that would ask for all of its rollouts."""
    for batch in batches(needy):
        rows = {row["id"]: row for row in batch.select("id", "answer", "verifier", "options", "said").to_dicts()}
        for request in requests(batch, section):
            yield rows[request.id], Call(request, prompt_key(identity, request), tuple(request.indexes))


class Waves:
    """A stream of calls that grows while it is read: `heard` tells it of answers, and they may raise new questions."""

    def __init__(self, rows: Iterable[tuple[dict[str, Any], Call]], rule: StoppingRule, listen: Listen) -> None:
        self._rows = iter(rows)
        self._rule = rule
        self._listen = listen
        self._next: deque[Call] = deque()
        self._live: dict[str, tuple[dict[str, Any], Call]] = {}

    def __iter__(self) -> "Waves":
        return self

    def __next__(self) -> Call:
        """The next wave of a sample that is under way, or else the first of a new one."""
        if self._next:
            return self._next.popleft()
        row, whole = next(self._rows)
        self._live[row["id"]] = row, whole
        return self._wave(row, whole)

    def heard(self, call: Call, answers: list[Completion]) -> int:
        """Take note of answers; returns how many rollouts will not be asked for, because their sample is decided."""
        row, whole = self._live[call.request.id]
        said = self._listen(row, [(answer.finish_reason, answer.text) for answer in answers])
        for answer, what in zip(answers, said, strict=True):
            row["said"][answer.index - whole.request.first] = what
        if answers and self._rule.walk(row["said"]).stopped == "unanswered":
            self._next.append(self._wave(row, whole))
            return 0
        del self._live[call.request.id]
        return int(row["said"].count("missing"))

    def _wave(self, row: dict[str, Any], whole: Call) -> Call:
        until = self._rule.walk(row["said"]).asked
        wanted = tuple(i for i in whole.indexes[:until] if row["said"][i - whole.request.first] == "missing")
        return Call(whole.request, whole.prompt, wanted)


def _collect(
    stage: Stage, section: Any, model: str, answers: Iterable[pl.DataFrame], stops: Path, parts: Shards
) -> None:
    """Let the stage read the answers that its samples asked for; a log may hold more."""
    assert stage.asks is not None
    asked = pl.read_parquet(stops, columns=["id", "asked"])
    place = pl.col("index") - pl.col("index").min().over("id")
    for batch in answers:
        known = batch.join(asked, on="id", maintain_order="left").filter(place < pl.col("asked"))
        take(stage.asks, section, model, known.drop("asked"), parts)


def _add(receipt: Receipt, more: Receipt) -> None:
    for field in fields(Receipt):
        old, new = getattr(receipt, field.name), getattr(more, field.name)
        unknown = old is None or new is None
        setattr(receipt, field.name, new if isinstance(new, str) else None if unknown else old + new)

"""Ask models for what a step wants: what is wanted, what is missing, ask that; then what was answered, a bucket at a time.

A step may ask again once answers are there (`Asks.more`), so asking goes in turns. Each turn is decided by the rows and by
answers that are in the log, and is walked again at replay. Prompts are rendered twice, once to know their keys and once to
send those that are missing, because ten million rendered prompts do not fit in memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from generators.engines.capability import constrains, held_to
from pipelines.compiler.pipeline import Step
from pipelines.run.asked import ANSWERS, ASKED, Asked
from pipelines.run.body import declared
from pipelines.run.build import Build
from pipelines.run.context import StepContext
from pipelines.run.driver import Call, Report, Session
from pipelines.run.prefix_order import alike_together
from pipelines.run.receipt import Receipt
from pipelines.run.refusals import Refusals
from pipelines.run.sharing import ask_once
from pipelines.store.claims import Claims
from pipelines.store.completions import WANTED
from pipelines.store.prompts import PromptWriter
from pipelines.store.table_files import read_table, scan_table
from pipelines.store.workspace import write_pieces, write_table
from schemas.completion import Request, prompt_key
from schemas.errors import StepError

RowsOf = Callable[[int], pl.DataFrame]
"""The rows of a bucket that a step asks about."""


Several = Callable[[StepContext, str, int, Mapping[int, Asked], Path, int], Receipt | None]
"""Has several processes ask a model what is missing of a turn, where that is worth it (`asking_shares.by_processes`)."""


class Missing(NamedTuple):
    """How many completions a model is yet to be asked for: exactly, or at most. None: nobody can tell."""

    samples: int | None
    exact: bool


class Asking:
    """One step asking about some buckets. `folder` is for its keys, and whoever made it removes it."""

    def __init__(
        self,
        build: Build,
        step: Step,
        context: StepContext,
        rows: RowsOf,
        buckets: list[int],
        folder: Path,
        several: Several = lambda context, model, turn, asked, missing, total: None,
        report: Report | None = None,
    ) -> None:
        assert step.type.asks is not None
        self._build, self._step, self._asks, self._context = build, step, step.type.asks, context
        self._rows, self._buckets, self._folder = rows, buckets, folder
        self._several = several
        self._report = report or partial(build.progress, step.name)
        self._asked: dict[tuple[str, int], Asked] = {}
        self.receipts: dict[str, Receipt] = {}
        self._refused: dict[int, dict[str, str]] = {}

    def ask(self) -> None:
        """Ask everything that the log does not hold, turn by turn; each model is loaded once, if at all."""
        for model in self._step.models:
            with ExitStack() as stack:
                sessions = cache(lambda name=model: stack.enter_context(self._session(name)))
                self.receipts[model] = self._turns(model, sessions)

    def _turns(self, model: str, session: Callable[[], Session]) -> Receipt:
        open_, turn, total = self._buckets, 0, Receipt()
        while open_:
            wanting = [bucket for bucket in open_ if self._want(model, bucket, turn)]
            if wanting:
                total += self._turn(model, wanting, turn, session)
            if self._asks.more is None:
                break
            open_ = wanting if turn else open_  # a step may leave all that it asks to `more`
            turn += 1
        return total

    def _session(self, model: str, limits: Mapping[str, Any] | None = None) -> Session:
        from generators.engines.select import make_engine

        config = self._build.recipe.models[model]
        if limits is not None:
            config = config.model_copy(update=limits)
        engine = make_engine(config, self._build.media)
        return Session(self._build.watch(self._step.name, model, engine))

    def ask_wanted(
        self, model: str, turn: int, asked: Mapping[int, Asked], wanted: Path, limits: Mapping[str, Any]
    ) -> Receipt:
        """Ask what the log does not hold of the table `wanted`, which another process has claimed, of what it `asked`;
        `limits` replace some of the model's."""
        build, missing = self._build, self._folder / "missing.parquet"
        self._asked = {(model, bucket): one for bucket, one in asked.items()}
        build.log.heal()
        build.prompts.heal()
        refusals = Refusals(build, model, wanted)
        total = refusals.leave_out(missing, build.log.missing(wanted, missing))
        if not total:
            return Receipt()
        claims = Claims(build.workspace.completions, build.memory)
        with claims.held(missing), self._session(model, limits) as running:
            return self._ask(model, list(asked), turn, missing, total, refusals, lambda: running)

    def missing(self) -> dict[str, Missing]:
        """What a build would ask of each model. Asks nothing, and writes only into `folder`.

        What calls for another turn is known as far as its answers are there; beyond that it is an upper bound.
        """
        return {model: self._missing(model, self._build.log.journalled().select("key")) for model in self._step.models}

    def _missing(self, model: str, journalled: pl.DataFrame) -> Missing:
        open_, turn, most, prompts = self._buckets, 0, self._asks.bound(self._step.config, model), 0
        while open_:
            wanting = [bucket for bucket in open_ if self._want(model, bucket, turn)]
            with self._keys(model, wanting) as (wanted, missing):
                keys = read_table(wanted, ["key", "prompt_key"]).unique("key")
                unheard = wanted.with_name("unheard.parquet")
                left = keys.join(journalled, on="key", how="anti")
                write_table(scan_table(wanted).join(left.lazy(), on="key", how="semi"), unheard)
                count = self._build.log.missing(unheard, missing)
                count = Refusals(self._build, model, wanted).leave_out(missing, count)
                unheard.unlink()
                waits = left.height < keys.height
            if turn == 0:
                prompts = keys["prompt_key"].n_unique() or sum(self._rows(bucket).height for bucket in self._buckets)
            if self._asks.more is None or (turn == 0 and self._at_most(model, most)):
                return Missing(count, True)
            if count or waits:  # what follows depends on answers that are not there, or not in the log's parts yet
                return Missing(None if most is None else max(most * prompts - (keys.height - count), count), False)
            open_ = wanting if turn else open_
            turn += 1
        return Missing(0, True)

    def _at_most(self, model: str, most: int | None) -> bool:
        """Whether the requests so far want all that their rows may want."""
        asked = [self._asked[model, bucket] for bucket in self._buckets]
        requests = sum(found.requests for found in asked)
        return most is not None and 0 < most * requests <= sum(found.samples for found in asked)

    def answers(self, bucket: int) -> pl.DataFrame:
        """All answers of a bucket, in order of the rows' ids, then of models, turns and requests."""
        found = [self._answers(model, bucket) for model in self._step.models]
        return pl.concat([pl.DataFrame(schema=ANSWERS), *found]).sort("id", maintain_order=True)

    def asked(self, bucket: int) -> pl.DataFrame:
        """What was asked about the rows of a bucket, a row for each sample that was wanted: columns of ASKED, in the order
        of `answers`."""
        found = [pl.DataFrame(schema=ASKED)]
        for model in self._step.models:
            requests, wanted = self._asked.get((model, bucket), Asked(self._folder)).tables()
            both = wanted.join(requests, on="id", how="left", maintain_order="left")
            both = both.drop("id").rename({"row": "id"}).with_columns(model=pl.lit(model))
            found.append(both.select(list(ASKED)))
        return pl.concat(found).sort("id", maintain_order=True)

    def _requests(self, model: str, bucket: int, turn: int) -> Iterator[Request]:
        """What a bucket asks of a model in a turn, by the answers of the turns before it: the same before it and after."""
        rows, kinds = self._rows(bucket), constrains(self._build.recipe.models[model])
        with declared(self._step, self._context, rows.columns):
            if turn == 0:
                found = self._asks.requests(rows, self._step.config)
            elif self._asks.more is not None:
                known = self._answers(model, bucket).filter(pl.col("turn") < turn)
                found = self._asks.more(rows, known, self._step.config, self._context.at(bucket))
            else:
                return
            for request in found:
                if request.model in (None, model):
                    yield held_to(kinds, request)

    def _want(self, model: str, bucket: int, turn: int) -> bool:
        """Note what a bucket wants in a turn; whether it wants anything."""
        identity, asked = self._build.identities[model], self._asked.setdefault((model, bucket), Asked(self._folder))
        return asked.add(((one, prompt_key(identity, one)) for one in self._requests(model, bucket, turn)), turn)

    def _turn(self, model: str, buckets: list[int], turn: int, session: Callable[[], Session]) -> Receipt:
        """Ask one model what is missing of a turn."""

        def ask(total: int, refusals: Refusals) -> Receipt:
            asked = {bucket: self._asked[model, bucket] for bucket in buckets}
            found = None if self._build.replay else self._several(self._context, model, turn, asked, missing, total)
            return found or self._ask(model, buckets, turn, missing, total, refusals, session)

        with self._keys(model, buckets) as (wanted, missing):
            return ask_once(self._build, self._step.name, model, wanted, missing, ask)

    def _ask(
        self,
        model: str,
        buckets: list[int],
        turn: int,
        missing: Path,
        total: int,
        refusals: Refusals,
        session: Callable[[], Session],
    ) -> Receipt:
        left = dict(read_table(missing, columns=["prompt_key", "indexes"]).iter_rows())
        with self._build.prompts.writer() as prompts:
            known = self._build.prompts.known(left)
            calls = alike_together(self._calls(model, buckets, turn, left))
            return self._send(total, written(calls, prompts, known), refusals, session)

    @contextmanager
    def _keys(self, model: str, buckets: list[int]) -> Iterator[tuple[Path, Path]]:
        """Files of the keys that some buckets want, and of those that are missing; gone afterwards."""
        wanted, missing = self._folder / "wanted.parquet", self._folder / "missing.parquet"
        try:
            write_pieces((self._asked[model, bucket].tables()[1] for bucket in buckets), WANTED, wanted)
            yield wanted, missing
        finally:
            wanted.unlink(missing_ok=True)
            missing.unlink(missing_ok=True)

    def _calls(self, model: str, buckets: list[int], turn: int, left: dict[str, list[int]]) -> Iterator[Call]:
        """The missing requests, rendered again; one that many rows share is sent once."""
        identity = self._build.identities[model]
        for bucket in buckets:
            for request in self._requests(model, bucket, turn):
                key = prompt_key(identity, request)
                indexes = left.pop(key, None)
                if indexes:
                    yield Call(request, key, tuple(indexes))

    def _send(self, total: int, calls: Iterator[Call], refusals: Refusals, session: Callable[[], Session]) -> Receipt:
        """Raises StepError in a replay, which asks no model."""
        build, name = self._build, self._step.name
        if build.replay:
            raise StepError(
                f"Replay: {total} completions of step '{name}' are not in the log, and a replay asks no model. "
                f"Run `curate build {build.recipe.name}` without --replay to ask for them."
            )
        running = session()
        with build.log.writer(running.engine.identity, refusals.terms, build.run) as log:
            return running.drive(
                calls,
                log,
                build.recipe.driver,
                total=total,
                report=self._report,
                before=refusals.before(),
            )

    def _answers(self, model: str, bucket: int) -> pl.DataFrame:
        asked = self._asked.get((model, bucket))
        if asked is None or not asked.requests:
            return pl.DataFrame(schema=ANSWERS)
        wanted, requests = self._folder / "answered.parquet", self._folder / "requests.parquet"  # a turn has its own
        try:
            for table, path in zip(asked.tables(), (requests, wanted), strict=True):
                write_table(table, path)
            refusals = Refusals(self._build, model, wanted)
            found = list(refusals.explained(self._build.log.answers(wanted, requests)))
            self._note(model, bucket, refusals)
        finally:
            wanted.unlink(missing_ok=True)
            requests.unlink(missing_ok=True)
        if not found:
            return pl.DataFrame(schema=ANSWERS)
        answers = pl.concat(found).drop("id").rename({"row": "id", "completion_tokens": "tokens"})
        return answers.with_columns(model=pl.lit(model)).select(pl.col(n).cast(t) for n, t in ANSWERS.items())

    def refused(self, bucket: int) -> dict[str, str]:
        """The models that refused to answer about some row of a bucket, and the terms under which they were asked."""
        return self._refused.get(bucket, {})

    def _note(self, model: str, bucket: int, refusals: Refusals) -> None:
        receipt = self.receipts.get(model)
        if receipt is not None:
            note = Receipt()
            refusals.note(note)
            if note.again or note.final:
                self._refused.setdefault(bucket, {})[model] = refusals.terms
            receipt.again, receipt.final, receipt.terms = (
                receipt.again + note.again,
                receipt.final + note.final,
                note.terms,
            )


def written(calls: Iterable[Call], prompts: PromptWriter, known: set[str]) -> Iterator[Call]:
    """The calls, each written down the moment before it is sent."""
    for call in calls:
        if call.prompt not in known:
            prompts.append(call.request, call.prompt)
        yield call

"""The bill before the meal: which steps are stale, which completions are missing, what they will cost at most.

Where all that a step reads is fresh, its prompts are rendered and the missing keys counted. Where it is not yet (captions
that nobody wrote), there is an upper bound: the rows counted in the sources, times what each step makes of a row. Tokens and
seconds are estimated from what the same step took before, in this build or in a trial of it; without that a reply is as long
as its limit, and seconds are unknown.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.compiler.columns import Node
from pipelines.compiler.pipeline import Step
from pipelines.job import Job
from pipelines.run.asking import Missing
from pipelines.run.context import StepContext
from pipelines.run.runner import Runner
from pipelines.sources.read import count_rows
from pipelines.store.build_record import read_record
from pipelines.store.workspace import TRIAL, Workspace
from schemas.step import Computes


@dataclass(frozen=True)
class Cost:
    """What is to be asked of one model; None is unknown.

    `estimated`: tokens come from what was asked before, and are not the most that a reply may take. Without
    that, `prompt_tokens` are unknown, and dollars are those of replies. A server without a price has no known dollars.
    """

    model: str
    samples: int | None
    exact: bool
    estimated: bool = False
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    seconds: float | None = None
    dollars: float | None = None


@dataclass(frozen=True)
class Planned:
    """One step. `stale` of its `buckets` are to be computed; `after` names the nearest step before it that has work to do,
    after which it may have some too. `rows` are those that it gets, at most."""

    step: str
    stale: int
    buckets: int
    after: str | None
    rows: int | None
    costs: tuple[Cost, ...] = ()

    @property
    def fresh(self) -> bool:
        return not self.stale and self.after is None


def make_plan(job: Job) -> list[Planned]:
    """What a build would do, step by step. Loads no model, and writes nothing into the workspace."""
    return _Plan(job).steps()


class _Plan:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._runner: Runner = job.runner
        self._trial = _records(job.build.workspace, f"{job.build.recipe.name}{TRIAL}")
        self._work: dict[str, bool] = {}
        self._made: dict[str, int | None] = {}

    def steps(self) -> list[Planned]:
        return [self._step(step) for step in self._job.compiled.pipeline.steps]

    def _step(self, step: Step) -> Planned:
        record = self._runner.record
        stale = record.stale(step) if record.buckets else []
        givers = {giver for giver, _ in self._runner.tables.addresses(step)} - {step.name}
        waits = [
            other.name
            for other in self._job.compiled.pipeline.before(step)
            if other.name in givers and self._work[other.name]
        ]
        self._work[step.name] = bool(stale or waits or not record.buckets)
        rows = self._rows(step.node) if step.number else self._samples()
        costs: tuple[Cost, ...] = ()
        if step.asks and self._work[step.name]:
            missing = self._missing(step, stale, rows, ready=not waits)
            costs = tuple(self._cost(step, model, found) for model, found in missing.items())
        elif step.type.computes is not None and self._work[step.name]:
            costs = self._computed(step, step.type.computes, rows, ready=not waits)
        self._made[step.name] = self._makes(step, rows)
        number = record.buckets or (0 if step.number else 1)
        return Planned(
            step.name, len(stale) if record.buckets else number, number, waits[-1] if waits else None, rows, costs
        )

    def _missing(self, step: Step, stale: list[int], rows: int | None, *, ready: bool) -> dict[str, Missing]:
        if ready and self._runner.record.buckets:
            self._runner.record.check(self._job.compiled.pipeline.before(step))
            with tempfile.TemporaryDirectory(prefix="curate-plan-") as folder:
                return self._runner.missing(step, stale, Path(folder))
        assert step.type.asks is not None
        bounds = {model: step.type.asks.bound(step.config, model) for model in step.models}
        return {m: Missing(None if rows is None or most is None else rows * most, False) for m, most in bounds.items()}

    def _computed(self, step: Step, computes: Computes[Any], rows: int | None, *, ready: bool) -> tuple[Cost, ...]:
        """What a step computes with models of its own: values in place of completions, which cost time alone."""
        runner, most = self._runner, computes.most(step.config, step.before)
        count = None if rows is None or most is None else rows * most
        exact = bool(ready and runner.record.buckets)
        if exact:
            runner.record.check(self._job.compiled.pipeline.before(step))
            context = StepContext(runner.build, step, runner.tables, runner.record)
            found = pl.concat([runner.rows(step, bucket)[0] for bucket in context.buckets]).sort("id")
            with tempfile.TemporaryDirectory(prefix="curate-plan-") as folder:
                count = computes.missing(found, step.config, context, Path(folder))
        seconds = None if count is None or count else 0.0
        return tuple(
            Cost(m, count, exact, reply_tokens=0, seconds=seconds, dollars=0.0) for m in step.type.loads(step.config)
        )

    def _samples(self) -> int | None:
        """How many samples the sources give at most."""
        record = self._runner.record.step(self._job.compiled.pipeline.steps[0].name)
        if record is not None and not self._work.get(self._job.compiled.pipeline.steps[0].name):
            return int(record["in"])
        recipe = self._job.build.recipe
        counted = [count_rows(source, recipe.limit, recipe.ingest.reading) for source in recipe.sources]
        known = [n for n in counted if n is not None]
        total = sum(known) if len(known) == len(counted) else None
        return min((n for n in (total, recipe.limit) if n is not None), default=None)

    def _rows(self, node: Node) -> int | None:
        """How many rows a node has at most: those that nothing has dropped yet are not distinguished."""
        found = [self._made[maker] for maker in node.makers]
        return None if None in found else sum(n for n in found if n is not None)

    def _makes(self, step: Step, rows: int | None) -> int | None:
        """How many rows a step makes at most; those that it made, where it has nothing to do."""
        if step.makes is None:
            return None
        record = self._runner.record.step(step.name)
        if record is not None and not self._work[step.name]:
            return int(record["kept"])
        each = 1 if step.number == 0 else step.type.fan(step.config)
        return None if rows is None or each is None else rows * each

    def _cost(self, step: Step, model: str, missing: Missing) -> Cost:
        cost, price = Cost(model, missing.samples, missing.exact), self._job.build.recipe.models[model]
        if missing.samples is None:
            return cost
        priced = price.engine != "openai" or price.price_in or price.price_out
        asked = self._asked_before(step, model)
        if asked is not None:
            share = missing.samples / asked["samples"]
            sent, replied = (_times(asked[kind], share) for kind in ("prompt_tokens", "completion_tokens"))
            dollars = None
            if priced and sent is not None and replied is not None:
                dollars = (sent * price.price_in + replied * price.price_out) / 1e6
            seconds = asked["seconds"] * share
            return replace(
                cost, estimated=True, prompt_tokens=sent, reply_tokens=replied, seconds=seconds, dollars=dollars
            )
        limit = step.longest_reply
        tokens = None if limit is None else missing.samples * limit
        dollars = tokens * price.price_out / 1e6 if priced and tokens is not None else None
        return replace(cost, reply_tokens=tokens, seconds=None if missing.samples else 0.0, dollars=dollars)

    def _asked_before(self, step: Step, model: str) -> Mapping[str, Any] | None:
        """What the step asked of a model when it last asked any, in this build, else in a trial of it."""
        for record in (self._runner.record.step(step.name), self._trial.get(step.name)):
            found = (record or {}).get("asked", {}).get(model)
            if found and found["samples"]:
                return found  # type: ignore[no-any-return]
        return None


def _times(count: int | None, share: float) -> int | None:
    return None if count is None else round(count * share)


def _records(workspace: Workspace, name: str) -> Mapping[str, Any]:
    steps: Mapping[str, Any] = (read_record(workspace.build(name)) or {}).get("steps", {})
    return steps

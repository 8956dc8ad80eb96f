"""The bill before the meal: which stages are stale, which completions are missing, what they will roughly cost.

Where a stage's inputs are there, its prompts are rendered and the missing keys counted exactly. Where they are not yet
(captions that nobody wrote), the count is an upper bound from the samples. Tokens and seconds are estimated from what
the same model did for the same stage before, and left open where it never did anything.
"""

import tempfile
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.road.ask import write_wanted
from pipelines.road.stage import Build, Road, Stage, count_rows
from pipelines.road.stages import road
from pipelines.run.refusals import Refusals
from pipelines.store.workspace import write_table


@dataclass(frozen=True)
class Planned:
    """One stage of a plan. `missing` is samples to ask (None: the stage asks no model).

    A stage is not `fresh` either where one that it reads is not: whether it has work to do is seen when that one has run.
    """

    stage: str
    fresh: bool
    missing: int | None = None
    exact: bool = True
    tokens: int | None = None
    seconds: float | None = None
    dollars: float | None = None


def make_plan(build: Build) -> list[Planned]:
    """What a build would do, stage by stage. Loads no model and writes nothing into the workspace."""
    plan = road(build)
    stale = {stage.name for stage in plan.stale()}
    return [_plan_stage(build, plan, stage, stale) for stage in plan.stages]


def _plan_stage(build: Build, plan: Road, stage: Stage, stale: Set[str]) -> Planned:
    fresh = stage.name not in stale
    if stage.asks is None and stage.computes is None:
        return Planned(stage.name, fresh)
    if fresh:
        return Planned(stage.name, True, 0, True, 0, 0.0, 0.0)
    missing, exact = _missing(build, plan, stage, ready=stale.isdisjoint(plan.draws_on(stage)))
    return _price(build, plan, stage, missing, exact)


def _missing(build: Build, plan: Road, stage: Stage, *, ready: bool) -> tuple[dict[str, int] | None, bool]:
    """Samples to ask of each model, and whether that number is exact."""
    if stage.computes is not None:
        if ready:
            return stage.computes.missing(build, stage, plan), True
        samples = _samples(build, plan)
        most = stage.computes.most(build)
        return None if samples is None else {name: samples * count for name, count in most.items()}, False
    assert stage.asks is not None
    models, section = stage.models(build.recipe), stage.section(build.recipe)
    if ready:
        found = {}
        with tempfile.TemporaryDirectory() as scratch:
            names = ("input", "wanted", "unlogged", "missing")
            input_, wanted, unlogged, out = (Path(scratch) / f"{name}.parquet" for name in names)
            write_table(stage.asks.rows(plan, stage), input_)
            journalled = build.log.journalled().lazy()  # a build that was killed left answers there
            for model in models:
                write_wanted(input_, model, build.identities[model], stage.asks.requests, section, wanted)
                write_table(pl.scan_parquet(wanted).join(journalled, on="key", how="anti"), unlogged)
                total = build.log.missing(unlogged, out)
                found[model] = Refusals(build, model, wanted).leave_out(out, total)
        return found, stage.asks.exact(section)
    bill, samples = stage.asks.most(section), _samples(build, plan)
    if bill is None or samples is None:
        return None, False
    calls = dict.fromkeys(models, bill) if isinstance(bill, int) else bill
    return {model: samples * call for model, call in calls.items()}, False


def _samples(build: Build, plan: Road) -> int | None:
    """How many samples there are, or may be at most; None where no source is limited and none was read."""
    if "ingest" in plan and plan.is_fresh(plan.stage("ingest")):
        return count_rows(plan.path("ingest"))
    limits = [source.limit for source in build.recipe.sources]
    known = [build.recipe.limit] if build.recipe.limit else limits
    return sum(k for k in known if k) if all(known) else None


def _price(build: Build, plan: Road, stage: Stage, missing: dict[str, int] | None, exact: bool) -> Planned:
    """Tokens, seconds and dollars from the stage's last receipts."""
    if missing is None:
        return Planned(stage.name, False, None, exact)
    total, seconds = sum(missing.values()), 0.0
    tokens: float | None = 0.0
    dollars: float | None = 0.0
    for name, count in missing.items():
        asked = (plan.record(stage) or {}).get("asked", {}).get(name)
        if not asked or not asked["samples"]:
            return Planned(stage.name, False, total, exact)
        share = count / asked["samples"]
        seconds += asked["seconds"] * share
        if tokens is None or dollars is None or None in (asked["prompt_tokens"], asked["completion_tokens"]):
            tokens = dollars = None  # a server that does not count: unknown is not zero
            continue
        prompt, reply = asked["prompt_tokens"] * share, asked["completion_tokens"] * share
        model = build.recipe.models[name]
        tokens += prompt + reply
        dollars += (prompt * model.price_in + reply * model.price_out) / 1e6
    return Planned(stage.name, False, total, exact, None if tokens is None else round(tokens), seconds, dollars)

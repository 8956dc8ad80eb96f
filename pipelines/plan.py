"""The bill before the meal: which stages are stale, which completions are missing, what they will roughly cost.

Where a stage's inputs are there, its prompts are rendered and the missing keys counted exactly. Where they are not yet
(captions that nobody wrote), the count is an upper bound from the samples. Tokens and seconds are estimated from what
the same model did for the same stage before, and left open where it never did anything.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from filters.verify import judge
from generators import caption, distill, rollouts
from pipelines import steps
from pipelines.ask import Requests, write_wanted
from pipelines.stage import Build, Road, Stage, count_rows
from pipelines.stages import road
from pipelines.workspace import write_table


@dataclass(frozen=True)
class Planned:
    """One stage of a plan. `missing` is samples to ask (None: the stage asks no model)."""

    stage: str
    fresh: bool
    missing: int | None = None
    exact: bool = True
    tokens: int | None = None
    seconds: float | None = None
    dollars: float | None = None


_ASKING: dict[str, tuple[Callable[[Road, Stage], pl.LazyFrame], Requests]] = {
    "caption": (steps.caption_rows, caption.requests),
    "distill": (steps.distill_rows, distill.requests),
    "conclude": (steps.conclude_rows, distill.conclude_requests),
    "judge": (steps.trace_judge_rows, judge.requests),
    "rollouts": (steps.rollout_rows, rollouts.requests),
    "judge_rollouts": (steps.rollout_judge_rows, judge.requests),
}


def make_plan(build: Build) -> list[Planned]:
    """What a build would do, stage by stage. Loads no model and writes nothing into the workspace."""
    plan = road(build)
    return [_plan_stage(build, plan, stage) for stage in plan.stages]


def _plan_stage(build: Build, plan: Road, stage: Stage) -> Planned:
    fresh = plan.is_fresh(stage)
    if stage.model(build.recipe) is None:
        return Planned(stage.name, fresh)
    if fresh:
        return Planned(stage.name, True, 0, True, 0, 0.0, 0.0)
    missing, exact = _missing(build, plan, stage)
    return _price(build, plan, stage, missing, exact)


def _missing(build: Build, plan: Road, stage: Stage) -> tuple[int | None, bool]:
    """Samples to ask, and whether that number is exact."""
    per_row = {"distill": build.recipe.distill, "rollouts": build.recipe.rollouts}.get(stage.name)
    n = per_row.n if per_row else 1
    inputs_ready = all(plan.is_fresh(plan.stage(name)) for name in stage.reads if name in plan)
    rows, requests = _ASKING[stage.name]
    if inputs_ready:
        with tempfile.TemporaryDirectory() as scratch:
            input_, wanted, out = (Path(scratch) / f"{name}.parquet" for name in ("input", "wanted", "missing"))
            write_table(rows(plan, stage), input_)
            model = stage.model(build.recipe)
            assert model is not None
            write_wanted(input_, build.identities[model], requests, stage.section(build.recipe), wanted)
            return build.log.missing(wanted, out), True
    if stage.name.startswith("judge"):
        return None, False  # how much the rules leave unscored is known only once they have run
    if "ingest" in plan and plan.is_fresh(plan.stage("ingest")):
        return count_rows(plan.path("ingest")) * n, False
    limits = [source.limit for source in build.recipe.sources]
    known = [build.recipe.limit] if build.recipe.limit else limits
    return (sum(k for k in known if k) * n if all(known) else None), False


def _price(build: Build, plan: Road, stage: Stage, missing: int | None, exact: bool) -> Planned:
    """Tokens, seconds and dollars from the stage's last receipt."""
    asked = (plan.record(stage) or {}).get("asked")
    if missing is None or not asked or not asked["samples"]:
        return Planned(stage.name, False, missing, exact)
    share = missing / asked["samples"]
    prompt, reply = asked["prompt_tokens"] * share, asked["completion_tokens"] * share
    model = build.recipe.models[str(stage.model(build.recipe))]
    dollars = (prompt * model.price_in + reply * model.price_out) / 1e6
    return Planned(stage.name, False, missing, exact, round(prompt + reply), asked["seconds"] * share, dollars)

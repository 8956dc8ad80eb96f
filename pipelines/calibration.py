"""How far the checks themselves can be trusted: verifiers on answers whose verdicts are known, and the judge likewise."""

import polars as pl

from filters.verify import judge
from filters.verify.selftest import COUNTS
from pipelines.build import run_stages
from pipelines.road.ask import ask
from pipelines.road.stage import Asks, Build, Road, Stage
from pipelines.road.stages import road
from schemas.errors import ConfigError


def selftest_verifiers(build: Build) -> pl.DataFrame:
    """Put every gold answer of the recipe to its verifier; no model is asked. One row a source, kind and check."""
    plan = run_stages(build, "ingest", "selftest")
    record = plan.record(plan.stage("selftest"))
    counts = pl.DataFrame(record["notes"]["verifiers"] if record else [], schema=COUNTS)
    return counts.with_columns(share=pl.col("passed") / pl.col("tried"))


def calibrate_judge(build: Build) -> pl.DataFrame:
    """Put right and wrong answers to the recipe's judge and say how often it agrees.

    Right answers are the golds, wrong ones the golds of other rows of the same source and kind. Replies go through the
    completions log, so asking again costs nothing. Raises ConfigError where the recipe has no judge.
    """
    if build.recipe.judge is None:
        raise ConfigError(f"'{build.recipe.name}' has no `judge` section, so there is no judge to calibrate.")
    run_stages(build, "ingest", "selftest")
    plan = Road(build, (*road(build).stages, CALIBRATION))
    run_stages(build, CALIBRATION.name, plan=plan)
    verdicts = plan.table(CALIBRATION.name).select("id", "correct")
    known = _rows(plan).select("id", "known")
    return judge.calibrate(known.join(verdicts, on="id", how="left").collect())


def _rows(plan: Road) -> pl.LazyFrame:
    alive = plan.table("selftest").select("id")
    samples = plan.table("ingest").join(alive, on="id", how="semi").collect()
    return judge.calibration_rows(samples, plan.build.recipe.seed).lazy()


CALIBRATION = Stage(
    "calibration",
    "verdicts",
    1,
    ("selftest",),
    lambda recipe: recipe.judge,
    ask,
    Asks(lambda plan, stage: _rows(plan), judge.requests, judge.collect, most=lambda section: None),
    number=99,
)
"""Beside the road: nothing reads it."""

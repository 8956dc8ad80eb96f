"""Rollouts: what the student is asked, what it got right, how hard that makes each sample."""

import polars as pl

from filters.difficulty import drop_unmeasured, measure
from filters.traces import score_rollouts as score
from generators import rollouts
from pipelines.stage import Build, Outcome, Road, Stage
from pipelines.steps.tables import judge_rows, samples, verify_responses, write


def rollout_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the student is asked about."""
    return samples(road, stage, rollouts.COLUMNS)


def score_rollouts(build: Build, stage: Stage, road: Road) -> Outcome:
    """Give every rollout its verdict; none is dropped."""
    assert build.recipe.rollouts is not None
    tags = build.recipe.rollouts.tags
    return verify_responses(build, stage, road, road.table("rollouts"), lambda rows, pool: score(rows, pool, tags))


def rollout_judge_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the judge is asked about rollouts: those that came to an answer which no rule could score."""
    unscored = pl.col("correct").is_null() & pl.col("extracted").is_not_null() & (pl.col("finish_reason") == "stop")
    return judge_rows(road, road.table("score").filter(unscored).select("id", "sample_id", said=pl.col("extracted")))


def scores(road: Road) -> pl.LazyFrame:
    """Every rollout's verdict, the judge's where no rule had one."""
    scores = road.table("score").select("id", "sample_id", "finish_reason", "correct", "score")
    if "judge_rollouts" not in road:
        return scores
    judged = road.table("judge_rollouts").select("id", judged=pl.col("correct"), judged_score=pl.col("score"))
    return scores.join(judged, on="id", how="left").with_columns(
        correct=pl.coalesce("correct", "judged"), score=pl.coalesce("score", "judged_score")
    )


def measure_difficulty(build: Build, stage: Stage, road: Road) -> Outcome:
    """Count what the student got right; a sample without one scored rollout is dropped."""
    scored = scores(road).collect()
    rows = samples(road, stage, ("id",)).collect()
    assert build.recipe.rollouts is not None
    parted = drop_unmeasured(rows, measure(scored, build.recipe.difficulty))
    model = pl.lit(build.recipe.rollouts.model).alias("model")
    return write(build, stage, rows.height, parted.kept.with_columns(model), parted.dropped)

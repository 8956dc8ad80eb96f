"""Rollouts: what the student is asked, what it got right, how hard that makes each sample."""

from dataclasses import replace

import polars as pl

from filters.difficulty import VERDICTS, drop_unmeasured, is_unread, measure, outcome, verdict
from filters.regrade import reason
from filters.trace_verdicts import score_rollouts as score
from generators import rollouts
from pipelines.road import adaptive
from pipelines.road.ask import ask
from pipelines.road.stage import Build, Outcome, Road, Stage
from pipelines.road.steps.tables import golds, judge_rows, samples, verify_responses, write
from pipelines.store.workspace import write_table
from schemas.ids import canonical_json

GOLD = ("answer", "verifier")


def rollout_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the student is asked about; with its gold answer where answers decide what is asked next."""
    config = road.build.recipe.rollouts
    gold = GOLD if config is not None and config.adaptive else ()
    return samples(road, stage, (*rollouts.COLUMNS, *gold))


def roll_out(build: Build, stage: Stage, road: Road) -> Outcome:
    """Ask the students: a fixed number of times, or until the answers decide."""
    config, stops = build.recipe.rollouts, build.folder(stage) / "stops.parquet"
    assert config is not None
    if config.adaptive is None:
        return ask(build, stage, road)
    outcome = ask(build, stage, road, adaptive.ask_model, {"stops": pl.DataFrame(schema=adaptive.STOPS)})
    asked, most = pl.scan_parquet(stops).select(pl.col("asked").sum(), pl.len() * config.n).collect().row(0)
    return replace(outcome, notes={"asked": asked, "of": most})


def score_rollouts(build: Build, stage: Stage, road: Road) -> Outcome:
    """Give every rollout its verdict; none is dropped."""
    assert build.recipe.rollouts is not None
    tags = build.recipe.rollouts.tags
    rollouts = road.table("rollouts")
    return verify_responses(build, stage, rollouts, golds(road), lambda rows, pool: score(rows, pool, tags))


def rollout_judge_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the judge is asked about rollouts: those that came to an answer which no rule could score."""
    unscored = pl.col("correct").is_null() & pl.col("extracted").is_not_null() & (pl.col("finish_reason") == "stop")
    return judge_rows(road, road.table("score").filter(unscored).select("id", "sample_id", said=pl.col("extracted")))


def scores(road: Road) -> pl.LazyFrame:
    """Every rollout's verdict, the judge's where no rule had one."""
    columns = ("id", "sample_id", "model", "index", "finish_reason", "tokens", "correct", "no_answer", "score")
    return _verdicts(road).select(columns)


def logged(road: Road) -> pl.LazyFrame:
    """Every rollout with its text and what it counts as: the columns of `pipelines.release.rollout_rows.SCHEMA`.

    In the order of the table of rollouts. Texts are streamed past the verdicts, which hold none.
    """
    config = road.build.recipe.difficulty
    counts = outcome(config).alias("correct")
    verdicts = _verdicts(road).select("id", "score", "tier", counts, verdict=verdict(), reason=reason())
    texts = road.table("rollouts").select("id", "sample_id", "model", "index", "text", "finish_reason")
    return texts.join(verdicts, on="id", how="left", maintain_order="left").drop("id")


def _verdicts(road: Road) -> pl.LazyFrame:
    verdicts = road.table("score").with_columns(no_answer=is_unread())
    if "judge_rollouts" not in road:
        return verdicts
    columns = ("correct", "score", "tier", "explanation")
    judged = road.table("judge_rollouts").select("id", *(pl.col(name).alias(f"judged_{name}") for name in columns))
    found = verdicts.join(judged, on="id", how="left", maintain_order="left")
    decided = pl.col("correct").is_null() & pl.col("judged_correct").is_not_null()
    return found.with_columns(pl.when(decided).then(f"judged_{name}").otherwise(name).alias(name) for name in columns)


def measure_difficulty(build: Build, stage: Stage, road: Road) -> Outcome:
    """Count what each student got right, into `measures`; by the first one's counts a sample is kept or dropped."""
    config = build.recipe.rollouts
    assert config is not None
    counting = build.recipe.difficulty
    scored = scores(road).collect()
    measured = measure(scored, counting)
    measured = measured.join(students(build, config), on="model", how="left", maintain_order="left")
    measured = measured.join(_stops(road, config), on=["id", "model"], how="left", maintain_order="left")
    write_table(measured, build.folder(stage) / "measures.parquet")
    rows = samples(road, stage, ("id",)).collect()
    parted = drop_unmeasured(rows, measured.filter(model=config.models[0]), counting)
    outcome = write(build, stage, rows.height, parted.kept, parted.dropped)
    found = dict(scored.group_by(verdict()).len().iter_rows())
    return replace(outcome, notes={"verdicts": {name: found[name] for name in VERDICTS if name in found}})


def students(build: Build, config: rollouts.RolloutsConfig) -> pl.DataFrame:
    """What measured: `model` (the recipe's name), `weights` and `revision` of the model, `sampling` (JSON)."""
    sampling = canonical_json(config.sampling.model_dump(mode="json"))
    identities = ((name, build.identities[name]) for name in config.models)
    rows = [(name, of.model, of.revision, sampling) for name, of in identities]
    return pl.DataFrame(rows, schema=["model", "weights", "revision", "sampling"], orient="row")


def _stops(road: Road, config: rollouts.RolloutsConfig) -> pl.DataFrame:
    """Where adaptive rollouts stopped (`id, model, in_band, stopped`); no rows where their number was fixed."""
    columns = ("id", "model", "in_band", "stopped")
    if config.adaptive is None:
        return pl.DataFrame(schema=adaptive.STOPS).select(columns)
    return road.table("rollouts", "stops").select(columns).collect()

"""What each stage does with the tables: reads those it needs, calls one pure function, writes both halves.

The order of these steps stands in `pipelines.stages`; the rules stand in `generators` and `filters`.
"""

from collections.abc import Callable
from typing import Any

import polars as pl

from filters.assign import assign_splits
from filters.difficulty import drop_unmeasured, measure
from filters.groups import group_ids
from filters.select.variance import random_control, select_variance
from filters.traces import drop_judged_wrong, judge_questions, judge_traces, stated_gold
from filters.traces import score_rollouts as score
from filters.verify import judge
from filters.verify.pool import VerifierPool
from filters.verify.round_trip import GRADED_KINDS, RoundTripConfig, round_trip
from filters.verify.selftest import selftest
from generators import caption, distill, rollouts
from pipelines.ask import ask, batches
from pipelines.dedup import drop_duplicates
from pipelines.ingest import ingest as ingest_sources
from pipelines.release import SPLITS, Content, released, write_release
from pipelines.stage import Build, Outcome, Road, Stage, shards, write_split
from pipelines.workspace import write_table
from schemas.sample import SAMPLE
from schemas.split import Split, no_drops


def ingest(build: Build, stage: Stage, road: Road) -> Outcome:
    """Sources become samples."""
    recipe = build.recipe
    with shards(build.folder(stage)) as parts:
        for part in ingest_sources(recipe.sources, build.media, recipe.ingest, limit=recipe.limit, seed=recipe.seed):
            parts.add("kept", part.kept)
            parts.add("dropped", part.dropped)
        kept = parts.finish("kept", pl.DataFrame(schema=SAMPLE))
        dropped = parts.finish("dropped", no_drops())
    return Outcome(kept + dropped, kept)


def selftest_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Every gold answer is put to its own verifier before any model is asked."""
    rows = road.table("ingest").collect()
    parted = selftest(rows, build.recipe.seed)
    return _write(build, stage, rows.height, parted.kept.select("id"), parted.dropped)


def caption_images(build: Build, stage: Stage, road: Road) -> Outcome:
    return ask(build, stage, caption_rows(road, stage), caption.requests, caption.collect, build.recipe.caption)


def distill_traces(build: Build, stage: Stage, road: Road) -> Outcome:
    """Ask the reasoner about every sample that has a caption, or needs none."""
    return ask(build, stage, distill_rows(road, stage), distill.requests, distill.collect, build.recipe.distill)


def conclude_traces(build: Build, stage: Stage, road: Road) -> Outcome:
    """Force an answer out of the traces that came to none."""
    rows = conclude_rows(road, stage)
    return ask(build, stage, rows, distill.conclude_requests, distill.conclude_collect, build.recipe.distill)


def verify_traces(build: Build, stage: Stage, road: Road) -> Outcome:
    """Keep the traces whose answer the sample's verifier accepts."""
    traces = road.table("distill")
    if "conclude" in road:
        sentence = (build.recipe.distill.force_answer or "") if build.recipe.distill else ""
        forced = road.table("conclude").select("id", forced=pl.col("final"))
        traces = (
            traces.join(forced, on="id", how="left", maintain_order="left")
            .with_columns(
                reasoning=pl.when(pl.col("final").is_null() & pl.col("forced").is_not_null())
                .then(pl.concat_str("reasoning", pl.lit(f" {sentence} "), "forced", pl.lit(".")))
                .otherwise("reasoning"),
                final=pl.coalesce("final", "forced"),
            )
            .drop("forced")
        )
    config, to_judge = build.recipe.verify, build.recipe.judge is not None
    return _verify(build, stage, road, traces, lambda rows, pool: judge_traces(rows, pool, config, to_judge=to_judge))


def judge_unscored_traces(build: Build, stage: Stage, road: Road) -> Outcome:
    """Ask the judge about the traces that no rule could score."""
    config = build.recipe.judge

    def collect(answers: pl.DataFrame, config: judge.JudgeConfig) -> Split:
        verdicts, failed = judge.collect(answers, config)
        right, wrong = drop_judged_wrong(verdicts)
        return Split(right, pl.concat([failed, wrong]))

    return ask(build, stage, trace_judge_rows(road, stage), judge.requests, collect, config)


def roll_out(build: Build, stage: Stage, road: Road) -> Outcome:
    return ask(build, stage, rollout_rows(road, stage), rollouts.requests, rollouts.collect, build.recipe.rollouts)


def score_rollouts(build: Build, stage: Stage, road: Road) -> Outcome:
    """Give every rollout its verdict; none is dropped."""
    assert build.recipe.rollouts is not None
    tags = build.recipe.rollouts.tags
    return _verify(build, stage, road, road.table("rollouts"), lambda rows, pool: score(rows, pool, tags))


def judge_unscored_rollouts(build: Build, stage: Stage, road: Road) -> Outcome:
    """Ask the judge about the rollouts that no rule could score."""
    return ask(build, stage, rollout_judge_rows(road, stage), judge.requests, judge.collect, build.recipe.judge)


def measure_difficulty(build: Build, stage: Stage, road: Road) -> Outcome:
    """Count what the student got right; a sample without one scored rollout is dropped."""
    scored = _scores(road).collect()
    rows = _samples(road, stage, ("id",)).collect()
    assert build.recipe.rollouts is not None
    parted = drop_unmeasured(rows, measure(scored, build.recipe.difficulty))
    model = pl.lit(build.recipe.rollouts.model).alias("model")
    return _write(build, stage, rows.height, parted.kept.with_columns(model), parted.dropped)


def dedup_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Part twins: of rows that ask the same about the same picture, the best stays."""
    columns = ("id", "question", "options", "answer", "media", "source")
    rows = _samples(road, stage, columns).join(_quality(road), on="id", how="left").sort("id").collect()
    parted = drop_duplicates(build, rows, build.folder(stage))
    return _write(build, stage, rows.height, parted.kept.select("id"), parted.dropped)


def split_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Give every group of related samples one side."""
    rows = _samples(road, stage, ("id", "question", "media", "group_id", "parent_id")).collect()
    groups = group_ids(rows.drop("question"))
    parted = assign_splits(groups, build.recipe.split, _released_sides(build))
    return _write(build, stage, rows.height, parted.kept, parted.dropped)


def select_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Choose among the measured samples of the configured splits; write the random control of equal size beside it."""
    config = build.recipe.select
    assert config is not None
    rows = road.table("split").join(road.table("difficulty"), on="id").select("id", "split", "k", "n").collect()
    candidates, others = (rows.filter(pl.col("split").is_in(config.splits) == side) for side in (True, False))
    parted = select_variance(candidates.drop("split"), config, build.recipe.seed)
    control = random_control(candidates, parted.kept.height, build.recipe.seed)
    write_table(control, build.folder(stage) / "control.parquet")
    kept = pl.concat([parted.kept, others.drop("split")], how="diagonal").select("id", "value", "rank")
    return _write(build, stage, rows.height, kept, parted.dropped)


def check_round_trip(build: Build, stage: Stage, road: Road) -> Outcome:
    """Put every gold, and the trace that is trained on, to the trainer's own grader; where it disagrees, the row goes.

    Kinds that no trainer's grader can judge need our reward function, so they pass.
    """
    trainer = build.recipe.release.trainer
    assert trainer is not None
    rows = _samples(road, stage, ("id", "answer", "verifier")).sort("id").collect()
    golds = [stated_gold(*row) for row in rows.select("answer", "verifier").iter_rows()]
    rows = rows.with_columns(pl.Series("stated", golds, dtype=pl.String))
    graded = pl.col("answer").struct.field("kind").is_in(list(GRADED_KINDS))
    tried = rows.filter(graded).select("id", "stated", answer=pl.col("answer").struct.field("parsed"))
    if "verify" in road:
        first = _verified(road).sort("sample_id", "index").unique("sample_id", keep="first", maintain_order=True)
        said = first.select(id=pl.col("sample_id"), response=pl.col("text")).collect()
        tried = tried.join(said, on="id", how="left", maintain_order="left")
    else:
        tried = tried.with_columns(response=pl.lit(None, pl.String))
    parted = round_trip(tried, RoundTripConfig(trainer=trainer, seed=build.recipe.seed))
    others = rows.filter(~graded).select("id", solution=pl.format("${}$", "stated"))
    return _write(build, stage, rows.height, pl.concat([parted.kept.select("id", "solution"), others]), parted.dropped)


def release(build: Build, stage: Stage, road: Road) -> Outcome:
    """Write the splits, the manifest and the card; a sample on the SFT side without a verified trace has no row."""
    recipe = build.recipe
    rows = _release_rows(build, stage, road)
    traces = _verified(road).select("sample_id", "text", "index") if "verify" in road else None
    sft_ids = rows.filter(pl.col("split") == "sft")
    if traces is None:
        tables = {"sft": rows.head(0).with_columns(text=pl.lit("")), "rl": rows.filter(pl.col("split") != "holdout")}
        bare = sft_ids.head(0)
    else:
        sft = sft_ids.join(traces, left_on="id", right_on="sample_id").sort("id", "index").drop("index")
        bare = sft_ids.join(traces, left_on="id", right_on="sample_id", how="anti")
        tables = {"sft": sft, "rl": rows.filter(pl.col("split") == "rl")}
    tables["holdout"] = rows.filter(pl.col("split") == "holdout")
    dropped = bare.select("id", reason=pl.lit("release:no_verified_trace"), evidence=pl.lit("{}")).collect()
    kept = rows.select("id", "split").join(dropped.lazy(), on="id", how="anti").collect()
    manifest = _manifest(build, stage, road, kept, dropped)
    path = write_release(Content(tables, manifest), recipe.release, build.media, build.workspace.releases(recipe.name))
    outcome = _write(build, stage, kept.height + dropped.height, kept, dropped)
    return Outcome(outcome.rows_in, outcome.rows_kept, notes={"release": path.name})


def _release_rows(build: Build, stage: Stage, road: Road) -> pl.LazyFrame:
    """Everything a release says of a sample, one row a sample, in the order of ids."""
    recipe = build.recipe
    rows = road.table("split").select("id", "split", "group")
    if "select" in road:
        chosen = road.table("select").select("id", "value")
        control = road.table("select", "control").with_columns(control=pl.lit(True))
        rows = (
            rows.join(chosen, on="id")
            .join(control, on="id", how="left")
            .with_columns(pl.col("control").fill_null(False))
        )
    else:
        rows = rows.with_columns(value=pl.lit(None, pl.Float64), control=pl.lit(False))
    if "round_trip" in road:
        rows = rows.join(road.table("round_trip"), on="id")
    else:
        rows = rows.with_columns(solution=pl.lit(None, pl.String))
    if "difficulty" in road:
        rows = rows.join(road.table("difficulty").select("id", "model", "k", "n"), on="id", how="left")
    else:
        rows = rows.with_columns(model=pl.lit(None, pl.String), k=pl.lit(None, pl.Int32), n=pl.lit(None, pl.Int32))
    if "caption" in road:
        rows = rows.join(road.table("caption").select("id", "caption"), on="id", how="left")
    else:
        rows = rows.with_columns(caption=pl.lit(None, pl.String))
    samples = road.table("ingest").select("id", "question", "options", "answer", "verifier", "media", "source")
    return rows.join(samples, on="id").with_columns(tags=pl.lit(recipe.verify.tags)).sort("id")


def _manifest(build: Build, stage: Stage, road: Road, kept: pl.DataFrame, dropped: pl.DataFrame) -> dict[str, Any]:
    """What the release says of itself. No clock, no machine, nothing of how often a model was asked again."""
    facts = ("stage", "unit", "rows_in", "kept", "dropped")
    records = [road.record(s) for s in road.stages if s.number < stage.number]
    reasons = dropped.group_by("reason").len().sort("reason")
    last = {"stage": stage.name, "unit": stage.unit, "rows_in": kept.height + dropped.height, "kept": kept.height}
    recipe = build.recipe.model_dump(mode="json", exclude={"driver"})
    for model in recipe["models"].values():
        model.pop("base_urls")
        model.pop("concurrency")
        model.pop("timeout_s")
    return {
        "recipe": recipe,
        "models": {name: identity.to_json() for name, identity in build.identities.items()},
        "stages": [{f: record[f] for f in facts} for record in records if record]
        + [{**last, "dropped": dict(reasons.iter_rows())}],
    }


def _released_sides(build: Build) -> pl.DataFrame | None:
    """The side of every row of the latest release: once released, a row stays there."""
    latest = released(build.workspace.releases(build.recipe.name))
    if not latest:
        return None
    sides = [
        pl.scan_parquet(latest[-1] / name / "*.parquet").select("id", pl.lit(name).alias("split")).unique()
        for name in SPLITS
    ]
    return pl.concat(sides).collect()


def _samples(road: Road, stage: Stage, columns: tuple[str, ...]) -> pl.LazyFrame:
    """The samples that are alive before `stage`, with columns that ingest gave them."""
    alive = road.table(road.last("samples", stage)).select("id")
    return road.table("ingest").select(columns).join(alive, on="id", how="semi")


def caption_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the captioner is asked about."""
    return _samples(road, stage, caption.COLUMNS)


def distill_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """Samples with what the reasoner is told of their pictures; a picture without a caption cannot be reasoned about."""
    rows = _samples(road, stage, ("id", "question", "options", "media"))
    if "caption" not in road:
        return rows.filter(pl.col("media").list.len() == 0).drop("media").with_columns(caption=pl.lit(None, pl.String))
    told = rows.join(road.table("caption").select("id", "caption"), on="id", how="left")
    return told.filter((pl.col("media").list.len() == 0) | pl.col("caption").is_not_null()).drop("media")


def conclude_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """Traces that came to no answer, with their questions."""
    open_ends = road.table("distill").filter(pl.col("final").is_null())
    questions = distill_rows(road, stage).rename({"id": "sample_id"})
    return open_ends.select("id", "sample_id", "reasoning", "final").join(questions, on="sample_id")


def rollout_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the student is asked about."""
    return _samples(road, stage, rollouts.COLUMNS)


def _verify(
    build: Build,
    stage: Stage,
    road: Road,
    responses: pl.LazyFrame,
    judge: Callable[[pl.DataFrame, VerifierPool], Split],
) -> Outcome:
    """Stream responses, each with its sample's gold answer, through the verifiers."""
    folder, config = build.folder(stage), build.recipe.verify
    golds = road.table("ingest").select("id", "answer", "verifier", "options").rename({"id": "sample_id"})
    input_ = folder / "input.parquet"
    write_table(responses.join(golds, on="sample_id", maintain_order="left"), input_)
    try:
        with shards(folder) as parts, VerifierPool(config.workers, config.budget_s) as pool:
            for batch in batches(input_):
                parted = judge(batch, pool)
                parts.add("kept", parted.kept)
                parts.add("dropped", parted.dropped)
            nothing = judge(pl.scan_parquet(input_).head(0).collect(), pool)
            kept, dropped = parts.finish("kept", nothing.kept), parts.finish("dropped", no_drops())
    finally:
        input_.unlink(missing_ok=True)
    return Outcome(kept + dropped, kept)


def trace_judge_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the judge is asked about traces."""
    said = road.table("verify").filter(pl.col("correct").is_null()).select("id", "sample_id", said=pl.col("final"))
    return _judge_rows(road, said)


def rollout_judge_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the judge is asked about rollouts: those that came to an answer which no rule could score."""
    unscored = pl.col("correct").is_null() & pl.col("extracted").is_not_null() & (pl.col("finish_reason") == "stop")
    return _judge_rows(road, road.table("score").filter(unscored).select("id", "sample_id", said=pl.col("extracted")))


def _judge_rows(road: Road, said: pl.LazyFrame) -> pl.LazyFrame:
    golds = road.table("ingest").select("id", "question", "answer", "verifier").rename({"id": "sample_id"})
    return judge_questions(said.join(golds, on="sample_id").collect()).lazy()


def _verified(road: Road) -> pl.LazyFrame:
    """The traces that a rule or the judge called right."""
    traces = road.table("verify")
    if "judge" not in road:
        return traces
    judged = road.table("judge").select("id", judged=pl.lit(True))
    return traces.join(judged, on="id", how="left").filter(
        pl.col("correct").fill_null(False) | pl.col("judged").is_not_null()
    )


def _scores(road: Road) -> pl.LazyFrame:
    """Every rollout's verdict, the judge's where no rule had one."""
    scores = road.table("score").select("id", "sample_id", "finish_reason", "correct", "score")
    if "judge_rollouts" not in road:
        return scores
    judged = road.table("judge_rollouts").select("id", judged=pl.col("correct"), judged_score=pl.col("score"))
    return scores.join(judged, on="id", how="left").with_columns(
        correct=pl.coalesce("correct", "judged"), score=pl.coalesce("score", "judged_score")
    )


def _quality(road: Road) -> pl.LazyFrame:
    """By what the better of two duplicates is told: whether it has a verified trace, and how many."""
    if "verify" not in road:
        return road.table("ingest").select("id", n_correct=pl.lit(0, pl.UInt32), verified=pl.lit(False))
    counts = _verified(road).group_by(pl.col("sample_id").alias("id")).agg(n_correct=pl.len())
    return counts.with_columns(verified=pl.col("n_correct") > 0)


def _write(build: Build, stage: Stage, rows_in: int, kept: pl.DataFrame, dropped: pl.DataFrame) -> Outcome:
    return Outcome(rows_in, write_split(build.folder(stage), kept, dropped))

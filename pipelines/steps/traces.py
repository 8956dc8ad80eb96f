"""Captions, traces, and which traces are right."""

import polars as pl

from filters.traces import drop_judged_wrong, judge_traces
from filters.verify import judge
from generators import caption
from pipelines.stage import Build, Outcome, Road, Stage
from pipelines.steps.tables import judge_rows, samples, verify_responses
from schemas.split import Split


def caption_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the captioner is asked about."""
    return samples(road, stage, caption.COLUMNS)


def distill_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """Samples with what the reasoner is told of their pictures; a picture without a caption cannot be reasoned about."""
    rows = samples(road, stage, ("id", "question", "options", "media"))
    if "caption" not in road:
        return rows.filter(pl.col("media").list.len() == 0).drop("media").with_columns(caption=pl.lit(None, pl.String))
    told = rows.join(road.table("caption").select("id", "caption"), on="id", how="left")
    return told.filter((pl.col("media").list.len() == 0) | pl.col("caption").is_not_null()).drop("media")


def conclude_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """Traces that came to no answer, with their questions."""
    open_ends = road.table("distill").filter(pl.col("final").is_null())
    questions = distill_rows(road, stage).rename({"id": "sample_id"})
    return open_ends.select("id", "sample_id", "reasoning", "final").join(questions, on="sample_id")


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
    return verify_responses(
        build, stage, road, traces, lambda rows, pool: judge_traces(rows, pool, config, to_judge=to_judge)
    )


def trace_judge_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the judge is asked about traces."""
    said = road.table("verify").filter(pl.col("correct").is_null()).select("id", "sample_id", said=pl.col("final"))
    return judge_rows(road, said)


def collect_judged(answers: pl.DataFrame, config: judge.JudgeConfig) -> Split:
    """Keep the traces that the judge called right."""
    verdicts, failed = judge.collect(answers, config)
    right, wrong = drop_judged_wrong(verdicts)
    return Split(right, pl.concat([failed, wrong]))


def verified(road: Road) -> pl.LazyFrame:
    """The traces that a rule or the judge called right."""
    traces = road.table("verify")
    if "judge" not in road:
        return traces
    judged = road.table("judge").select("id", judged=pl.lit(True))
    return traces.join(judged, on="id", how="left").filter(
        pl.col("correct").fill_null(False) | pl.col("judged").is_not_null()
    )

"""The last gates: the trainer's own grader is asked about every gold, and about every trace that may be trained on."""

import polars as pl

from filters.trace_verdicts import stated_gold
from filters.verify.round_trip import GRADED_KINDS, RoundTrip, RoundTripConfig, misread
from pipelines.road.stage import Build, Outcome, Road, Stage, shards
from pipelines.road.steps.stream import Beside, pieces, with_progress
from pipelines.road.steps.traces import verified
from schemas.split import no_drops


def check_golds(build: Build, stage: Stage, road: Road) -> Outcome:
    """Give every gold its `solution`, the spelling that the trainer's grader reads; where there is none, the sample goes.

    Kinds that no trainer's grader can judge need our reward function, so they pass.
    """
    alive = road.table(road.last("samples", stage)).select("id")
    golds = road.table("ingest").select("id", "answer", "verifier")
    golds = golds.join(alive, on="id", how="semi", maintain_order="left")
    gate = _gate(build)
    for piece in pieces(golds.filter(_graded())):
        gate.look_at(_stated(piece)["stated"].to_list())
    with shards(build.folder(stage)) as parts:
        for piece in with_progress(build, stage, golds):
            told = _stated(piece)
            tried = told.filter(_graded()).select("id", "stated", answer=pl.col("answer").struct.field("parsed"))
            parted = gate.golds(tried)
            others = told.filter(~_graded()).select("id", solution=pl.format("${}$", "stated"))
            parts.add("kept", pl.concat([parted.kept.select("id", "solution"), others]))
            parts.add("dropped", parted.dropped)
        kept = parts.finish("kept", pl.DataFrame(schema={"id": pl.String, "solution": pl.String}))
        dropped = parts.finish("dropped", no_drops())
    return Outcome(kept + dropped, kept)


def check_traces(build: Build, stage: Stage, road: Road) -> Outcome:
    """Keep the traces of living samples to which the trainer's grader gives the point; its sample loses nothing else.

    Traces of kinds that the grader reads in no trace of this tag schema are not put to it: the notes name them.
    """
    gate, unread = _gate(build), misread(_trainer(build), build.recipe.verify.tags)
    read = GRADED_KINDS.difference(unread)
    solutions = road.table("round_trip")
    kinds = road.table("ingest").select("id", kind=pl.col("answer").struct.field("kind"))
    beside = Beside(solutions.join(kinds, on="id"))
    traces = verified(road).select("id", "sample_id", "text")
    traces = traces.join(solutions.select(sample_id="id"), on="sample_id", how="semi", maintain_order="left")
    with shards(build.folder(stage)) as parts:
        for piece in with_progress(build, stage, traces):
            told = beside.join(piece, on="sample_id")
            graded = pl.col("kind").is_in(list(read))
            parted = gate.traces(told.filter(graded))
            parts.add("kept", pl.concat([parted.kept, told.filter(~graded)]).select("id", "sample_id"))
            parts.add("dropped", parted.dropped)
        kept = parts.finish("kept", pl.DataFrame(schema={"id": pl.String, "sample_id": pl.String}))
        dropped = parts.finish("dropped", no_drops())
    return Outcome(kept + dropped, kept, notes={"grader": _trainer(build), "kinds_not_read": list(unread)})


def trained_on(road: Road) -> pl.LazyFrame:
    """The traces that a release may hold: verified, and read by the trainer's grader where the recipe names one."""
    traces = verified(road)
    if "round_trip_traces" not in road:
        return traces
    return traces.join(road.table("round_trip_traces").select("id"), on="id", how="semi", maintain_order="left")


def _gate(build: Build) -> RoundTrip:
    return RoundTrip(RoundTripConfig(trainer=_trainer(build), seed=build.recipe.seed))


def _trainer(build: Build) -> str:
    trainer = build.recipe.release.trainer
    assert trainer is not None
    return trainer


def _graded() -> pl.Expr:
    return pl.col("answer").struct.field("kind").is_in(list(GRADED_KINDS))


def _stated(rows: pl.DataFrame) -> pl.DataFrame:
    golds = [stated_gold(*row) for row in rows.select("answer", "verifier").iter_rows()]
    return rows.with_columns(pl.Series("stated", golds, dtype=pl.String))

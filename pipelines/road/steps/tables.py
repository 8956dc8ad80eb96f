"""What the steps share: the samples still alive, a stream of responses through the verifiers, both halves written."""

from collections.abc import Callable

import polars as pl

from filters.trace_verdicts import judge_questions
from filters.verify.pool import VerifierPool
from pipelines.road.stage import Build, Outcome, Road, Stage, shards, write_split
from pipelines.road.steps.stream import Beside, with_progress
from schemas.split import Split, no_drops


def samples(road: Road, stage: Stage, columns: tuple[str, ...]) -> pl.LazyFrame:
    """The samples that are alive before `stage`, with columns that ingest gave them."""
    alive = road.table(road.last("samples", stage)).select("id")
    return road.table("ingest").select(columns).join(alive, on="id", how="semi")


def golds(road: Road) -> pl.LazyFrame:
    """What the responses to each sample are judged by."""
    return road.table("ingest").select("id", "answer", "verifier", "options")


def gold_facts() -> dict[str, pl.Expr]:
    """What chance is computed from, of rows of `ingest`: `dataset, kind, gold, parsed`."""
    gold = pl.col("answer").struct
    dataset = pl.col("source").struct.field("dataset")
    return {"dataset": dataset, "kind": gold.field("kind"), "gold": gold.field("raw"), "parsed": gold.field("parsed")}


def verify_responses(
    build: Build,
    stage: Stage,
    responses: pl.LazyFrame,
    golds: pl.LazyFrame,
    judge: Callable[[pl.DataFrame, VerifierPool], Split],
    of: str = "sample_id",
) -> Outcome:
    """Stream responses, in their order, through the verifiers: each piece beside the `golds` that its column `of` names."""
    config, beside = build.recipe.verify, Beside(golds)
    with shards(build.folder(stage)) as parts, VerifierPool(config.workers, config.budget_s) as pool:
        for piece in with_progress(build, stage, responses):
            parted = judge(beside.join(piece, on=of), pool)
            parts.add("kept", parted.kept)
            parts.add("dropped", parted.dropped)
        nothing = judge(beside.join(responses.head(0).collect(), on=of), pool)
        kept, dropped = parts.finish("kept", nothing.kept), parts.finish("dropped", no_drops())
    return Outcome(kept + dropped, kept)


def judge_rows(road: Road, said: pl.LazyFrame) -> pl.LazyFrame:
    golds = road.table("ingest").select("id", "question", "answer", "verifier").rename({"id": "sample_id"})
    rows = said.join(golds, on="sample_id", how="left", maintain_order="left")
    schema = judge_questions(rows.head(0).collect()).schema
    return rows.map_batches(judge_questions, streamable=True, schema=schema)


def write(build: Build, stage: Stage, rows_in: int, kept: pl.DataFrame, dropped: pl.DataFrame) -> Outcome:
    return Outcome(rows_in, write_split(build.folder(stage), kept, dropped))

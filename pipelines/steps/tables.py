"""What the steps share: the samples still alive, a stream of responses through the verifiers, both halves written."""

from collections.abc import Callable

import polars as pl

from filters.traces import judge_questions
from filters.verify.pool import VerifierPool
from pipelines.ask import batches
from pipelines.stage import Build, Outcome, Road, Stage, shards, write_split
from pipelines.workspace import write_table
from schemas.split import Split, no_drops


def samples(road: Road, stage: Stage, columns: tuple[str, ...]) -> pl.LazyFrame:
    """The samples that are alive before `stage`, with columns that ingest gave them."""
    alive = road.table(road.last("samples", stage)).select("id")
    return road.table("ingest").select(columns).join(alive, on="id", how="semi")


def verify_responses(
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


def judge_rows(road: Road, said: pl.LazyFrame) -> pl.LazyFrame:
    golds = road.table("ingest").select("id", "question", "answer", "verifier").rename({"id": "sample_id"})
    return judge_questions(said.join(golds, on="sample_id").collect()).lazy()


def write(build: Build, stage: Stage, rows_in: int, kept: pl.DataFrame, dropped: pl.DataFrame) -> Outcome:
    return Outcome(rows_in, write_split(build.folder(stage), kept, dropped))

"""Sources become samples, and every gold answer is put to its own verifier."""

import polars as pl

from filters.verify.pool import VerifierPool
from filters.verify.selftest import OtherGolds, add_up, selftest
from pipelines.ingest.ingest import ingest as ingest_sources
from pipelines.road.stage import Build, Outcome, Road, Stage, shards
from pipelines.road.steps.stream import pieces, with_progress
from schemas.sample import SAMPLE
from schemas.split import no_drops


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
    """Every gold answer is put to its own verifier before any model is asked; what was tried is in the notes."""
    golds = road.table("ingest").select("id", "source", "options", "answer", "verifier")
    config, seed, counts = build.recipe.verify, build.recipe.seed, []
    others = OtherGolds(seed)
    for batch in pieces(golds):
        others.add(batch)
    with shards(build.folder(stage)) as parts, VerifierPool(config.workers, config.budget_s) as pool:
        for batch in with_progress(build, stage, golds):
            tested = selftest(batch, others, seed, pool)
            parts.add("kept", tested.split.kept.select("id"))
            parts.add("dropped", tested.split.dropped)
            counts.append(tested.counts)
        kept = parts.finish("kept", pl.DataFrame(schema={"id": pl.String}))
        dropped = parts.finish("dropped", no_drops())
    return Outcome(kept + dropped, kept, notes={"verifiers": add_up(counts).rows(named=True)})

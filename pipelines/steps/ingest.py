"""Sources become samples, and every gold answer is put to its own verifier."""

import polars as pl

from filters.verify.selftest import selftest
from pipelines.ingest import ingest as ingest_sources
from pipelines.stage import Build, Outcome, Road, Stage, shards
from pipelines.steps.tables import write
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
    """Every gold answer is put to its own verifier before any model is asked."""
    rows = road.table("ingest").collect()
    parted = selftest(rows, build.recipe.seed)
    return write(build, stage, rows.height, parted.kept.select("id"), parted.dropped)

"""How far verifiers can be trusted: the self-test that every recipe of steps begins with, by itself."""

import polars as pl

from filters.verify.selftest import COUNTS
from pipelines.job import Job


def selftest_verifiers(job: Job) -> pl.DataFrame:
    """Put every gold answer of the recipe to its verifier; no model is asked. One row a source, kind and check: COUNTS and
    `share`, of what passed. Raises as a build does for sources that cannot be read."""
    build, runner = job.build, job.runner
    build.workspace.prepare(build.recipe.name)
    with build.workspace.lock(build.recipe.name):
        try:
            for step in job.compiled.pipeline.steps[:2]:
                runner.run(step)
        finally:
            build.close()
    counts = pl.read_parquet(build.folder / "selftest" / "verifiers.parquet", glob=False)
    return counts.select(list(COUNTS)).with_columns(share=pl.col("passed") / pl.col("tried"))

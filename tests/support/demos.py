"""Recipes that come with curate: their steps as published, their demos, and what a build of them came to."""

from pathlib import Path
from typing import Any

from pipelines.compiler.pipeline import Step
from pipelines.job import Job, compile_recipe, open_job
from pipelines.plan import make_plan
from pipelines.preflight import check


def steps_of(recipe: str) -> dict[str, Step]:
    """The steps of a recipe as it was published, by their names."""
    return {step.name: step for step in compile_recipe(recipe).pipeline.steps}


def built_demo(recipe: str, workspace: Path) -> Job:
    """The demo of a recipe: validated, planned, and built."""
    job = open_job(compile_recipe(recipe, demo=True), workspace)
    check(job)
    assert not any(step.fresh for step in make_plan(job))
    job.run()
    return job


def counts(job: Job) -> dict[str, tuple[int, int]]:
    """How many rows each step kept, and how many it dropped."""
    return {record["step"]: (record["kept"], sum(record["dropped"].values())) for record in job.records()}


def loaded(job: Job, config: str) -> Any:
    """A config of the release, as trainers load it."""
    import datasets

    assert job.release is not None
    cache = job.build.workspace.root / "cache"  # releases of one version share their place in a common one
    return datasets.load_dataset(str(job.release), config, split="train", cache_dir=str(cache))

"""Build a recipe: find what is stale, run it in order, say what became of every row."""

import shutil
from collections.abc import Callable
from typing import Any

from pipelines.road.stage import Build, Road, Stage, run_stage
from pipelines.road.stages import road
from schemas.errors import ConfigError

Run = Callable[[Road, Stage], dict[str, Any]]


def up_to_date(build: Build) -> bool:
    """Whether there is nothing to do: no stale table and a release on disk. Loads no model."""
    plan = road(build)
    return not plan.stale() and release_path(build, plan) is not None


def run_build(build: Build, run: Run = run_stage) -> list[dict[str, Any]]:
    """Run the stale stages in order and return the records of all; `run` is how one stage is run."""
    build.workspace.prepare(build.recipe.name)
    with build.workspace.lock(build.recipe.name):
        plan = road(build)
        _sweep(build, plan)
        for stage in plan.stages:
            if not plan.is_fresh(stage) or (stage.name == "release" and release_path(build, plan) is None):
                run(plan, stage)
        return records(plan)


def _sweep(build: Build, plan: Road) -> None:
    """Remove the tables of stages that the recipe has left out or that are no more."""
    known = {stage.name for stage in plan.stages}
    for folder in build.workspace.build(build.recipe.name).iterdir():
        if folder.is_dir() and folder.name not in known:
            shutil.rmtree(folder)


def run_stages(build: Build, *names: str, plan: Road | None = None) -> Road:
    """Run only the named stages, where they are stale, and return the road with their tables."""
    build.workspace.prepare(build.recipe.name)
    with build.workspace.lock(build.recipe.name):
        plan = plan or road(build)
        for name in names:
            if not plan.is_fresh(plan.stage(name)):
                run_stage(plan, plan.stage(name))
    return plan


def records(plan: Road) -> list[dict[str, Any]]:
    """`stage.json` of every stage. Raises ConfigError where the recipe was never built here."""
    there = [record for stage in plan.stages if (record := plan.record(stage))]
    if not there:
        raise ConfigError(
            f"'{plan.build.recipe.name}' has not been built in {plan.build.workspace.root}. "
            f"Run `curate build {plan.build.recipe.name}` first."
        )
    return there


def records_before_error(plan: Road) -> list[dict[str, Any]]:
    """`stage.json` of the stages that a failed build came through; what stands behind them is of an earlier build."""
    told = []
    for stage in plan.stages:
        record = plan.record(stage)
        if record is None:
            break
        told.append(record)
    return told


def release_path(build: Build, plan: Road) -> Any:
    """The folder of the build's release, or None."""
    record = plan.record(plan.stage("release"))
    if record is None:
        return None
    path = build.workspace.releases(build.recipe.name) / record["notes"]["release"]
    return path if (path / "manifest.json").is_file() else None

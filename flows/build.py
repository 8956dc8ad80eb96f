"""The Prefect flow: one task a stage, in the order that `pipelines.road.stages` gives.

Prefect schedules, retries, observes and maps; it carries no data. A task takes the recipe, the path of the workspace and
the name of a stage, and returns the path of the stage's folder, so the same flow runs on threads, Dask or Ray.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.task_runners import TaskRunner

from flows.funnel import funnel_rows
from flows.progress import Reporter
from flows.push import pack, push
from pipelines.build import release_path, run_build
from pipelines.recipe.recipe import Recipe
from pipelines.road.stage import Build, Road, Stage, run_stage
from pipelines.road.stages import road
from pipelines.run.warnings import all_warnings
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError, MissingDependencyError, StageError

RETRIES = 2
RETRY_DELAY_S = 5


def worth_retrying(task: Any, run: Any, state: Any) -> bool:
    """A stage that lost its server may find it again; a refusal, a wrong key or a missing package stays what it is."""
    try:
        state.result(raise_on_failure=True)
    except StageError as error:
        return error.transient
    except Exception:
        return False
    return False


@task(name="stage", task_run_name="{stage}", persist_result=False)
def stage_task(recipe: dict[str, Any], workspace: str, stage: str, how: dict[str, Any]) -> str:
    """Run one stage; `how` are fields of the `Build`. Returns the path of the stage's folder."""
    reporter = Reporter()
    build = Build(Recipe.model_validate(recipe), Workspace(Path(workspace)), progress=reporter, **how)
    plan = road(build)
    try:
        run_stage(plan, plan.stage(stage))
    finally:
        reporter.close()
    return str(build.folder(plan.stage(stage)))


@task(name="push", task_run_name="push {repo}", persist_result=False)
def push_task(release: str, repo: str, public: bool) -> str:
    """Push a release to the Hub; returns its address there."""
    return push(pack(Path(release), repo), private=not public)


@flow(name="curate-build", flow_run_name="{recipe[name]}", persist_result=False, validate_parameters=False)
def build_flow(
    recipe: dict[str, Any],
    workspace: str,
    replay: bool = False,
    runner: str = "threads",
    push_to: str | None = None,
    public: bool = False,
    retry_errors: bool = False,
) -> list[dict[str, Any]]:
    """Build a recipe; returns the records of its stages and leaves the funnel, and what they warn of, as a table artifact.

    With `push_to` (ORGANISATION/NAME) the release then goes to the Hub; one that is there already does not go again.
    """
    build = Build(Recipe.model_validate(recipe), Workspace(Path(workspace)), replay=replay, retry_errors=retry_errors)
    how = {"replay": replay, "retry_errors": retry_errors, "run": build.run}

    def run(plan: Road, stage: Stage) -> dict[str, Any]:
        step = stage_task.with_options(
            name=stage.name,
            retries=RETRIES if stage.asks else 0,
            retry_delay_seconds=RETRY_DELAY_S,
            retry_condition_fn=worth_retrying,
        )
        if runner == "threads":
            step(recipe, workspace, stage.name, how)  # in this thread, so that Ctrl-C reaches the driver
        else:
            step.submit(recipe, workspace, stage.name, how).result()
        return plan.record(stage) or {}

    records = run_build(build, run)
    create_table_artifact(
        key=f"curate-{build.recipe.name}".replace("_", "-").replace(".", "-"),
        table=funnel_rows(records),
        description="\n\n".join(
            [f"Funnel of {build.recipe.name}: rows in, kept, and dropped by reason", *all_warnings(records)]
        ),
    )
    if push_to is not None:
        push_task(str(release_path(build, road(build))), push_to, public)
    return records


def with_runner(runner: str) -> Callable[..., list[dict[str, Any]]]:
    """The flow on a task runner: `threads`, `dask` or `ray`."""
    if runner == "threads":
        return build_flow
    return build_flow.with_options(task_runner=task_runner(runner))


def task_runner(name: str) -> TaskRunner[Any]:
    if name not in {"dask", "ray"}:
        raise ConfigError(f"--runner: there is no runner '{name}'; there are threads, dask and ray.")
    try:
        if name == "dask":
            from prefect_dask import DaskTaskRunner

            return DaskTaskRunner()  # type: ignore[no-any-return]
        from prefect_ray import RayTaskRunner

        return RayTaskRunner()  # type: ignore[no-any-return]
    except ImportError:
        raise MissingDependencyError(f"prefect-{name}", name, f"--runner {name}") from None

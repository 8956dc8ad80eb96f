"""The Prefect flow of a build: one task a step, in the order of the recipe.

Prefect schedules, retries, observes and maps; it carries no data. A task takes where the recipe is, the path of the
workspace and the name of a step, so the same flow runs on threads, Dask or Ray.
"""

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner

from flows.funnel import all_warnings, funnel_rows
from flows.job import job_of
from flows.progress import Reporter
from flows.push import pack, push
from pipelines.compiler.pipeline import Step
from pipelines.job import Job
from pipelines.run.runner import Runner
from schemas.errors import ConfigError, CurateError, MissingDependencyError, StepError

RETRIES = 2
RETRY_DELAY_S = 5


def worth_retrying(task: Any, run: Any, state: Any) -> bool:
    """A step that lost its server may find it again; a refusal, a wrong key or a missing package stays what it is."""
    try:
        state.result(raise_on_failure=True)
    except StepError as error:
        return error.transient
    except Exception:
        return False
    return False


class Running(NamedTuple):
    """A build whose steps run in this process."""

    job: Job
    reporter: Reporter


_RUNNING: ContextVar[Running | None] = ContextVar("running", default=None)
"""Set while steps run in the process of the flow: they share its build, and so the processes that it started."""


@task(name="step", task_run_name="{step}", persist_result=False)
def step_task(recipe: dict[str, Any], workspace: str, step: str, how: dict[str, Any]) -> str:
    """Bring one step up to date; `how` are fields of the `Build`. Returns the path of the step's folder."""
    running = _RUNNING.get()
    reporter = Reporter() if running is None else running.reporter
    job = job_of(recipe, workspace, progress=reporter, **how) if running is None else running.job
    try:
        job.runner.run(job.compiled.pipeline.step(step))
    finally:
        reporter.close()
        if running is None:
            job.build.close()
    return str(job.build.folder / step)


@task(name="push", task_run_name="push {repo}", persist_result=False)
def push_task(release: str, repo: str, public: bool) -> str:
    """Push a release to the Hub; returns its address there."""
    return push(pack(Path(release), repo), private=not public)


def run_name() -> str:
    """The name of a run of the flow: that of its recipe, or its file where that cannot be read."""
    asked = flow_run.parameters["recipe"]
    try:
        return job_of(asked, flow_run.parameters["workspace"]).build.recipe.name
    except CurateError:
        return str(asked["name"])


@flow(name="curate-build", flow_run_name=run_name, persist_result=False, validate_parameters=False)
def build_flow(
    recipe: dict[str, Any],
    workspace: str,
    replay: bool = False,
    runner: str = "threads",
    push_to: str | None = None,
    public: bool = False,
    retry_errors: bool = False,
) -> list[dict[str, Any]]:
    """Build a recipe; returns the records of its steps and leaves the funnel, and what they warn of, as a table artifact.

    With `push_to` (ORGANISATION/NAME) the release then goes to the Hub; one that is there already does not go again.
    """
    reporter = Reporter()
    job = job_of(recipe, workspace, progress=reporter, replay=replay, retry_errors=retry_errors)
    how = {"replay": replay, "retry_errors": retry_errors, "run": job.build.run}

    def run(running: Runner, step: Step) -> None:
        if step.number and not running.record.stale(step):
            return
        named = step_task.with_options(
            name=step.name,
            retries=RETRIES if step.asks else 0,
            retry_delay_seconds=RETRY_DELAY_S,
            retry_condition_fn=worth_retrying,
        )
        if runner == "threads":
            named(recipe, workspace, step.name, how)  # in this thread, so that Ctrl-C reaches the driver
        else:
            named.submit(recipe, workspace, step.name, how).result()
        running.record.read()

    here = _RUNNING.set(Running(job, reporter) if runner == "threads" else None)
    try:
        records = job.run(run)
    finally:
        _RUNNING.reset(here)
    create_table_artifact(
        key=f"curate-{job.build.recipe.name}".replace("_", "-").replace(".", "-"),
        table=funnel_rows(records, job.build.run),
        description="\n\n".join(
            [f"Funnel of {job.build.recipe.name}: rows in, kept, and dropped by reason", *all_warnings(records)]
        ),
    )
    if push_to is not None and job.release is not None:
        push_task(str(job.release), push_to, public)
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

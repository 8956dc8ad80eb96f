"""The Prefect flow of a build: one task a step, in the order of the recipe.

Prefect schedules, retries, observes and maps; it carries no data. Steps run in the process of the flow, which asks models
and holds the record; on Dask or Ray the buckets of a step are tasks of their own (`flows.shards`).
"""

import uuid
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run

from flows import running
from flows.cluster_place import Cluster
from flows.funnel import all_warnings, funnel_rows
from flows.job import job_of
from flows.progress import Reporter
from flows.push import pack, push
from flows.shards import Submitted
from pipelines.compiler.pipeline import Step
from pipelines.run.runner import Runner
from schemas.errors import CurateError, StepError

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


@task(name="step", task_run_name="{step}", persist_result=False)
def step_task(step: str) -> str:
    """Bring one step of the running build up to date. Returns the path of the step's folder."""
    building = running.CURRENT.get()
    try:
        building.job.runner.run(building.job.compiled.pipeline.step(step))
    finally:
        building.reporter.close()
    return str(building.job.build.folder / step)


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
    push_to: str | None = None,
    public: bool = False,
    retry_errors: bool = False,
    buckets: int | None = None,
) -> list[dict[str, Any]]:
    """Build a recipe; returns the records of its steps and leaves the funnel, and what they warn of, as a table artifact.

    With `push_to` (ORGANISATION/NAME) the release then goes to the Hub; one that is there already does not go again.
    """
    reporter = Reporter()
    how: dict[str, Any] = {"replay": replay, "retry_errors": retry_errors, "buckets": buckets, "run": uuid.uuid4().hex}
    cluster = running.CLUSTER.get()
    if cluster is not None:
        how["sharing"] = partial(Submitted, slots=cluster.slots)
    job = job_of(recipe, workspace, progress=reporter, **how)

    def run(runner_: Runner, step: Step) -> None:
        if step.number and not runner_.record.stale(step):
            return
        named = step_task.with_options(
            name=step.name,
            retries=RETRIES if step.asks else 0,
            retry_delay_seconds=RETRY_DELAY_S,
            retry_condition_fn=worth_retrying,
        )
        named(step.name)  # in this thread, so that Ctrl-C reaches the driver
        runner_.record.read()

    here = running.CURRENT.set(running.Running(job, reporter))
    try:
        records = job.run(run)
    finally:
        running.CURRENT.reset(here)
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


def build(recipe: dict[str, Any], workspace: str, cluster: Cluster | None, **how: Any) -> list[dict[str, Any]]:
    """`build_flow`, whose buckets a cluster computes; None: processes of this machine. `how` are more of its parameters."""
    flow_ = build_flow if cluster is None else build_flow.with_options(task_runner=cluster.task_runner)
    here = running.CLUSTER.set(cluster)
    try:
        records: list[dict[str, Any]] = flow_(recipe, workspace, **how)
        return records
    finally:
        running.CLUSTER.reset(here)

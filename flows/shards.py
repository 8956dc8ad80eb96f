"""Buckets of a step as tasks of Prefect's own task runner, on Dask or Ray: each computes a piece of them where it runs.

A worker opens the build by itself, as the flow does, so it needs the recipe and the workspace under the same paths. A piece
is tried again where its worker is lost; what a worker cannot compute is computed in the process of the flow.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from prefect import task
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture, as_completed
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.job import job_of
from pipelines.run.bucket import Computed
from pipelines.run.runner import Runner
from pipelines.run.shards import T, Task, Work
from pipelines.store.memory import cores
from schemas.errors import CurateError, StepError

PIECES = 64
"""Tasks of a step at most: so many that a lost one costs little, so few that scheduling them does."""
RETRIES = 2


@task(name="shard", persist_result=False, retries=RETRIES, log_prints=False)
def shard_task(recipe: str, workspace: str, how: str, job: Task[Any], work: Sequence[Work]) -> list[tuple[int, Any]]:
    """Do a task for some buckets; where that fails for a reason that curate knows, for none of them."""
    try:
        context = _opened(recipe, workspace, how).context(job.step, job.fingerprint)
        return [(bucket, job.function(context, bucket, *more, _nobody)) for bucket, more in work]
    except CurateError:
        return []


class Submitted:
    """`pipelines.run.shards.Shards` on the task runner of the flow."""

    trouble: str | None = None

    def __init__(self, recipe: dict[str, Any], workspace: str, how: dict[str, Any]) -> None:
        self._build = json.dumps(recipe), workspace, json.dumps(how)

    def map(
        self, task: Task[T], work: Sequence[Work], here: Callable[[int], T], done: Callable[[int], None]
    ) -> Iterator[tuple[int, T]]:
        """As `Shards.map`. Raises StepError where the workers of a piece are lost, however often it is tried."""
        size = -(-len(work) // PIECES)
        pieces = [work[start : start + size] for start in range(0, len(work), size)]
        named = shard_task.with_options(task_run_name=f"{task.step}: shard")
        sent: dict[PrefectFuture[Any], Sequence[Work]] = {named.submit(*self._build, task, one): one for one in pieces}
        for future in as_completed(list(sent)):
            try:
                found = future.result()
            except Exception as error:
                raise StepError(f"Step '{task.step}': a piece of it was lost on its workers: {error}") from error
            for bucket, one in found or [(bucket, here(bucket)) for bucket, _ in sent[future]]:
                if found and isinstance(one, Computed):
                    done(one.part["in"])
                yield bucket, one

    def close(self) -> None:
        """Nothing was started."""


@contextmanager
def one_server() -> Iterator[None]:
    """Have workers report to the server of the flow: where that is a temporary one, each would start its own."""
    with get_client(sync_client=True) as client:
        address = str(client.api_url)
    with temporary_settings({PREFECT_API_URL: address}):
        yield


@lru_cache(maxsize=4)
def _opened(recipe: str, workspace: str, how: str) -> Runner:
    return job_of(json.loads(recipe), workspace, **json.loads(how), beside=cores()).runner  # a task a core


def _nobody(rows: int) -> None:
    """A piece is reported when it is whole."""

"""Dask: a scheduler that runs, or one of this machine's cores."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flows.cluster_place import REACH_S, WORKER_S, Cluster, reach
from flows.worker_facts import facts, fault
from schemas.errors import ConfigError, MissingDependencyError
from schemas.secrets import plain_address

CURE = "It is that of the scheduler, as `dask scheduler` prints it: tcp://HOST:8786."


@contextmanager
def dask_cluster(address: str | None, workers: int, api: str) -> Iterator[Cluster]:
    """The cluster of a scheduler, or a local one of `workers` processes. Raises as `flows.cluster.connected` does."""
    try:
        import dask
        import distributed as library
        from prefect_dask import DaskTaskRunner
    except ImportError:
        raise MissingDependencyError("prefect-dask", "dask", "--runner dask") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a worker that is lost is Dask's business
    distributed: Any = library
    if address is None:
        alone = {"POLARS_MAX_THREADS": "1"}  # a process a core: threads of theirs would only wait
        with (
            dask.config.set({"distributed.nanny.pre-spawn-environ": _spawned(dask, alone)}),
            distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,  # builds keep to limits of their own
                silence_logs=logging.CRITICAL,
                dashboard_address=":0",  # that of another cluster is not in its way
            ) as local,
        ):
            yield Cluster(DaskTaskRunner(address=local.scheduler_address), lambda: workers)
        return
    reach(address, 8786, "Dask", CURE)
    try:
        client = distributed.Client(address, timeout=REACH_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(
            f"--address: no Dask scheduler answers at {plain_address(address)} ({type(error).__name__}). {CURE}"
        ) from None
    with client:
        _check(client, address, api)
        yield Cluster(DaskTaskRunner(address=address), lambda: max(1, sum(client.nthreads().values())))


def _spawned(dask: Any, more: dict[str, str]) -> dict[str, Any]:
    return {**dask.config.get("distributed.nanny.pre-spawn-environ", {}), **more}


def _check(client: Any, address: str, api: str) -> None:
    """Raises ConfigError where the workers are not of one kind with this process."""
    import distributed

    shown = plain_address(address)
    if not client.nthreads():  # one that grows with its tasks grows for this one
        try:
            client.submit(int, pure=False).result(timeout=WORKER_S)
        except (TimeoutError, distributed.TimeoutError):
            raise ConfigError(
                f"The Dask cluster at {shown} has no workers, and got none in {WORKER_S:g} s. Start some: "
                f"`dask worker {shown}`."
            ) from None
    own, found = facts(), []
    for worker, one in client.run(facts, api, on_error="return").items():
        if isinstance(one, BaseException):
            raise ConfigError(
                f"The Dask worker at {worker} cannot run curate ({type(one).__name__}: {one}). Install there what is "
                "installed here, with the same Python."
            )
        found.append(one)
    if (why := fault(own, found, api)) is not None:
        raise ConfigError(f"--address {shown}: {why}")

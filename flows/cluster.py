"""The workers that compute buckets of a build: those of a Dask or Ray cluster that runs, or of one on this machine's cores.

A cluster is asked before anything else is done: whether it is there, and whether its workers are of one kind with this
process.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cluster_place import Cluster


@contextmanager
def connected(runner: str, address: str | None, workers: int) -> Iterator[Cluster | None]:
    """The cluster at `address`, or one of this machine with so many `workers`; None for `processes`, which needs none.

    Raises ConfigError where it is not there, and where its workers could not do what this process does.
    """
    if runner == "processes":
        yield None
        return
    with _one_server() as api:
        if runner == "dask":
            from flows.cluster_dask import dask_cluster

            with dask_cluster(address, workers, api) as cluster:
                yield cluster
        else:
            from flows.cluster_ray import ray_cluster

            with ray_cluster(address, workers, api) as cluster:
                yield cluster


@contextmanager
def _one_server() -> Iterator[str]:
    """Have workers report to the server of the flow: where that is a temporary one, each would start its own."""
    with get_client(sync_client=True) as client:
        address = str(client.api_url)
    with temporary_settings({PREFECT_API_URL: address}):
        yield address

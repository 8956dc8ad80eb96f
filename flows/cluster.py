"""The workers that compute buckets of a build: those of a Dask or Ray cluster that runs, or of one on this machine's cores.

A cluster is asked before anything else is done: whether it is there, and whether its workers are of one kind with this
process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import certifi
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_SSL_CERT_FILE, PREFECT_API_URL, temporary_settings

from flows.cluster_place import Cluster


@contextmanager
def connected(runner: str, address: str | None, workers: int) -> Iterator[Cluster | None]:
    """The cluster at `address`, or one of this machine with so many `workers`; None for `processes`, which needs none.

    Raises ConfigError where it is not there, and where its workers could not do what this process does.
    """
    if runner == "processes":
        yield None
        return
    with _one_server(here=address is None) as api:
        if runner == "dask":
            from flows.cluster_dask import dask_cluster

            with dask_cluster(address, workers, api) as cluster:
                yield cluster
        else:
            from flows.cluster_ray import ray_cluster

            with ray_cluster(address, workers, api) as cluster:
                yield cluster


@contextmanager
def _one_server(*, here: bool) -> Iterator[str]:
    """Have workers report to the server of the flow: where that is a temporary one, each would start its own.

    Prefect makes two TLS contexts for each task, also where its server knows no TLS. `here`, where all workers see a file of
    this process, they then load one certificate instead of all, which is half of what a task costs them.
    """
    with get_client(sync_client=True) as client:
        address = str(client.api_url)
    settings: dict[Any, Any] = {PREFECT_API_URL: address}
    with TemporaryDirectory(prefix="curate-") as folder:
        common = PREFECT_API_SSL_CERT_FILE.value() in (
            None,
            "",
            os.environ.get("SSL_CERT_FILE"),
        )  # by default the latter
        if here and common and address.startswith("http://"):
            settings[PREFECT_API_SSL_CERT_FILE] = str(_one_certificate(Path(folder)))
        with temporary_settings(settings):
            yield address


def _one_certificate(folder: Path) -> Path:
    """A file with the first of all certificates."""
    end = "-----END CERTIFICATE-----\n"
    (path := folder / "certificate.pem").write_text(certifi.contents().partition(end)[0] + end)
    return path

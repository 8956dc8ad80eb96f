"""Ray: a cluster that runs, or one of this machine's cores."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flows.cluster_place import WORKER_S, Cluster, reach
from flows.worker_facts import facts, fault
from schemas.errors import ConfigError, MissingDependencyError
from schemas.secrets import hidden, plain_address

CURE = "It is `auto` on a node of the cluster, HOST:6379 of its head, or ray://HOST:10001 from elsewhere."
STORE = 128 << 20
"""Bytes of a local cluster's object store, through which go paths and counts."""


@contextmanager
def ray_cluster(address: str | None, workers: int, api: str) -> Iterator[Cluster]:
    """The cluster at an address, or a local one of `workers` processes. Raises as `flows.cluster.connected` does."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else a warning of what Ray will do one day
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray as library
        from prefect_ray import RayTaskRunner
    except ImportError:
        raise MissingDependencyError("prefect-ray", "ray", "--runner ray") from None
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # a node that is lost is Ray's business
    setattr(library._private.worker, "print_to_stdstream", _print_nothing)  # noqa: B010  # it knows no setting for these
    ray: Any = library
    quiet: dict[str, Any] = {
        "log_to_driver": False,
        "configure_logging": False,
        "namespace": "curate",
        # A process a core: threads of theirs would only wait.
        "runtime_env": {"env_vars": {"POLARS_MAX_THREADS": "1"}},
    }
    if address is None:
        ray.init(address="local", num_cpus=workers, object_store_memory=STORE, include_dashboard=False, **quiet)
    else:
        _join(ray, address, quiet)
    try:
        if address is not None:
            _check(ray, address, api)
        yield Cluster(RayTaskRunner(), lambda: max(1, int(ray.cluster_resources().get("CPU", 1))))
    finally:
        ray.shutdown()


def _print_nothing(*what: Any, **how: Any) -> None:
    """For what Ray prints of its nodes on the terminal of the driver; what a task is lost by is in its error."""


def _join(ray: Any, address: str, quiet: dict[str, Any]) -> None:
    if address != "auto":
        reach(address, 10001 if address.startswith("ray://") else 6379, "Ray", CURE)
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        shown = plain_address(address)
        why = hidden(" ".join(str(error).replace(address, shown).split()))
        raise ConfigError(f"--address {shown}: {why[:400]} {CURE}") from None


def _check(ray: Any, address: str, api: str) -> None:
    """Raises ConfigError where the workers are not of one kind with this process."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    shown, asked = plain_address(address), ray.remote(max_retries=0)(facts)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    places: list[Any] = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes] or [None]
    sent = [asked.options(scheduling_strategy=place).remote(api) for place in places]
    try:
        found = ray.get(sent, timeout=WORKER_S)
    except ray.exceptions.GetTimeoutError:
        raise ConfigError(f"The Ray cluster at {shown} has no free CPU, and got none in {WORKER_S:g} s.") from None
    except ray.exceptions.RayError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise ConfigError(
            f"A node of the Ray cluster at {shown} cannot run curate ({lines[-1].strip()}). Install there what is "
            "installed here, with the same Python."
        ) from None
    if (why := fault(facts(), found, api)) is not None:
        raise ConfigError(f"--address {shown}: {why}")

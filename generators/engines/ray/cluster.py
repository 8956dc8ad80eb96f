"""A Ray cluster: how this process joins one, quietly, and how many replicas there is room for."""

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterable, Mapping
from math import floor
from typing import Any

from schemas.engine import ModelConfig
from schemas.errors import ConfigError, MissingDependencyError
from schemas.replicas import RayConfig
from schemas.secrets import hidden, plain_address

logger = logging.getLogger(__name__)

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
"""Set before Ray is imported, unless the user has set them: no telemetry, and no summaries of what is not shown."""

REACH_S = 5.0
"""Seconds that the head has to take a connection. Ray itself tries for minutes, aloud."""


def connect(config: RayConfig) -> None:
    """Join the cluster, or start one on this machine, unless this process is in one. Not on an event loop: it takes seconds.

    Raises:
        MissingDependencyError: ray is not installed.
        ConfigError: nobody is there, or it is another version of Ray or Python.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError("ray", "ray", "engine: ray") from error
    _hush()
    if ray.is_initialized():
        return
    address = config.address or os.environ.get("RAY_ADDRESS") or None
    _reach(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except Exception as error:  # whatever Ray finds on its way
        raise ConfigError(_refused(address, error)) from error


def own_signals() -> None:
    """Have SIGTERM go to Python's handler again: Ray's prints a stack trace and aborts the process in the end."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


def _reach(address: str | None) -> None:
    """See that somebody listens at an address. Raises ConfigError."""
    if address in (None, "auto", "local"):
        return
    host, _, port = str(address).removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
    except (OSError, ValueError) as error:
        why = _first_line(error) if isinstance(error, OSError) else "it names no port"
        raise ConfigError(
            f"engine: ray: nobody answers at {plain_address(str(address))} ({why}). Is the head running (`ray start "
            "--head`), and is it HOST:6379 of the head, or ray://HOST:10001 from outside the cluster?"
        ) from None


def _refused(address: str | None, error: Exception) -> str:
    if isinstance(error, ConnectionError) and address in (None, "auto"):
        return (
            "engine: ray: no Ray cluster runs on this machine. Start one (`ray start --head`), name another "
            "(`address: HOST:6379`), or leave address out, and one is started for the build."
        )
    shown = plain_address(address) if address else "this machine"
    why = hidden(_first_line(error).replace(address or shown, shown))
    return (
        f"engine: ray: the Ray cluster at {shown} cannot be used: {why} (Where it asks "
        "for a token, as clusters of Ray 2.60 do where there is one, set RAY_AUTH_MODE=token.)"
    )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _hush() -> None:
    """Ray prints each death of a worker on the terminal, whatever `log_to_driver` says, and has no setting for that. We say
    what matters ourselves; `--verbose` shows the rest."""
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda data, *more, **named: logger.info("%s", "\n".join(data.get("lines", ())))


def needs(config: ModelConfig, nodes: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """What a replica of a model takes of a cluster, by Ray's names; `nodes` are as `ray.nodes` gives them."""
    replicas = config.ray or RayConfig()
    gpus = replicas.num_gpus
    if gpus is None:
        has = any(node["Resources"].get("GPU", 0) > 0 for node in alive(nodes))
        parallel = (config.args.get(f"{kind}_parallel_size") or 1 for kind in ("tensor", "pipeline"))
        gpus = float(next(parallel) * next(parallel)) if has else 0.0
    return {"CPU": replicas.num_cpus, "GPU": gpus, **replicas.resources}


def alive(nodes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [node for node in nodes if node["Alive"]]


def room(need: Mapping[str, float], nodes: Iterable[Mapping[str, Any]]) -> int:
    """How many replicas fit on the nodes, were they empty; one a node where they need nothing."""
    wanted = {name: amount for name, amount in need.items() if amount > 0}
    each = ([node["Resources"].get(name, 0) / amount for name, amount in wanted.items()] for node in alive(nodes))
    return sum(floor(min(shares, default=1.0) + 1e-9) for shares in each)


def no_room(model: str, fewest: int, need: Mapping[str, float], nodes: Iterable[Mapping[str, Any]]) -> str:
    """A sentence: the cluster is too small."""
    there = alive(nodes)
    total = {name: sum(node["Resources"].get(name, 0) for node in there) for name in need}
    one = len(there) == 1
    return (
        f"the model '{model}' wants {fewest} replica{'' if fewest == 1 else 's'} of {_amounts(need)} each, and the Ray "
        f"cluster has room for {room(need, there)} ({_amounts(total, all_=True)} on {len(there)} node{'' if one else 's'}). "
        "Lower ray.replicas or ray.num_gpus, add nodes, or set ray.wait_s where they are on their way."
    )


def _amounts(amounts: Mapping[str, float], *, all_: bool = False) -> str:
    shown = [
        f"{amount:g} {name}" for name, amount in amounts.items() if amount > 0 or (all_ and name in ("CPU", "GPU"))
    ]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown) or "no resource"


async def nodes_of() -> list[dict[str, Any]]:
    """The nodes of the cluster, as `ray.nodes` gives them."""
    import ray

    found: list[dict[str, Any]] = await asyncio.to_thread(ray.nodes)
    return found

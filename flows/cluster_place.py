"""A cluster as builds use it, and whether there is one at an address."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from prefect.task_runners import TaskRunner

from schemas.errors import ConfigError
from schemas.secrets import plain_address

REACH_S = 10.0
"""Seconds that a cluster has to answer."""
WORKER_S = 120.0
"""Seconds that a cluster without workers has to get one."""


@dataclass(frozen=True)
class Cluster:
    """The task runner of Prefect that uses some workers, and how many tasks they do at once."""

    task_runner: TaskRunner[Any]
    slots: Callable[[], int]


def reach(address: str, port: int, runner: str, cure: str) -> None:
    """Raises ConfigError where nobody listens at `scheme://host:port` or `host:port`. Ray's own try takes minutes, and then
    ends the process."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, number = parts.hostname, parts.port or port
        if not host:
            raise ValueError
    except ValueError:
        raise ConfigError(f"--address '{plain_address(address)}' is no address of a {runner} cluster: {cure}") from None
    try:
        socket.create_connection((host, number), REACH_S).close()
    except OSError as error:
        raise ConfigError(
            f"--address: no {runner} cluster answers at {host}:{number} ({error.strerror or type(error).__name__}). {cure}"
        ) from None

"""What a worker of a cluster has to have in common with a build, and the sentence where it has not.

`facts` runs on the worker. It is all that is asked there before a build, so it imports little.
"""

import platform
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.secrets import plain_address

Facts = Mapping[str, Any]
"""`python`, `code` (a hash of curate's own source), `host`, and `api`: why Prefect's server is not reached, if so."""


def facts(api: str | None = None) -> Facts:
    """What this process is made of; whether it reaches the Prefect server at `api`."""
    from pipelines.release.provenance import code_hash

    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "code": code_hash(),
        "host": socket.gethostname(),
        "api": None if api is None else _unreached(api),
    }


def _unreached(api: str) -> str | None:
    import httpx

    try:
        httpx.get(f"{api.rstrip('/')}/health", timeout=10.0)
    except httpx.HTTPError as error:
        return type(error).__name__
    return None


def fault(own: Facts, workers: Sequence[Facts], api: str | None = None) -> str | None:
    """Why a build cannot use these workers, in a sentence; None where it can."""
    for name, what, cure in (
        ("python", "Python {0} and this machine Python {1}", "Give both the same version"),
        ("code", "another version of curate than this machine", "Install the same one on both"),
    ):
        for found in workers:
            if found[name] != own[name]:
                return f"the worker on {found['host']} has {what.format(found[name], own[name])}. {cure}."
    shown = plain_address(api or "")
    for found in workers:
        if found["api"] is not None:
            return (
                f"the worker on {found['host']} does not reach Prefect's server at {shown} ({found['api']}). Start one that "
                "all machines reach (`prefect server start --host 0.0.0.0`), and put its address into PREFECT_API_URL."
            )
    return None

"""The build whose steps run in this process. A module of its own, because Prefect sends flows to workers by their code, and
what they name of another module by its name."""

from contextvars import ContextVar
from typing import NamedTuple

from flows.cluster_place import Cluster
from flows.progress import Reporter
from pipelines.job import Job


class Running(NamedTuple):
    """A build, and who reports its progress."""

    job: Job
    reporter: Reporter


CURRENT: ContextVar[Running] = ContextVar("running")
"""Set while steps run, all in the process of the flow: they share its build, and so the processes that it started."""

CLUSTER: ContextVar[Cluster | None] = ContextVar("cluster", default=None)
"""What computes buckets of the builds of this process; None: processes of this machine."""

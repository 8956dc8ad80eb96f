"""How much memory a build's tables may take, and what follows from it: DuckDB's limit and threads, the size of a piece."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

_SHARE = 4
"""A build takes a quarter of what is free: models, verifiers and a second build have to live beside it."""
LEAST = 512 << 20
"""A build works with this, however little is free."""
_THREAD = 128 << 20
"""Bytes that a DuckDB thread is given: it keeps buffers of its own, so more threads need more memory for the same work."""
_PROCESS = 256 << 20
"""Bytes of the budget that a process is given which computes buckets."""
_PIECE = 256 << 20
"""No piece of texts is larger, however much memory there is: larger ones sort no faster."""
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_CGROUPS = Path("/sys/fs/cgroup")


def parse_size(value: Any) -> Any:
    """Bytes of a text such as `4GB`, `512MiB` or `2e9` (powers of 1024); anything else is left for pydantic to judge."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", value, re.IGNORECASE)
    if found is None:
        raise ValueError("write a size as a number and a unit, such as 512MB or 4GB")
    return int(float(found[1]) * 2 ** _UNITS[found[2].upper()])


Size = Annotated[int, BeforeValidator(parse_size)]
"""A number of bytes, written as `4GB`."""


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, and of every control group that holds the process."""
    return min(filter(None, (_machine(), *_groups())), default=8 << 30)


def _machine() -> int | None:
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    except OSError:
        return None
    return int(found[1]) << 10 if found else None


def _groups() -> Iterator[int]:
    """What is left in each control group from this process's up to the root (version 2), or in the one of version 1."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            own = _CGROUPS / path.lstrip("/")
            for folder in (own, *own.parents):
                if folder.is_relative_to(_CGROUPS):
                    yield from _left(folder, "memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            yield from _left(_CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes")


def _left(folder: Path, most: str, used: str) -> Iterator[int]:
    """What a control group's limit leaves; pages of files that could be dropped count as free."""
    try:
        limit, taken = (int((folder / name).read_text(encoding="ascii")) for name in (most, used))
        inactive = re.findall(r"^(?:total_)?inactive_file (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):  # no such group, or "max"
        return
    yield max(1, limit - taken + max(map(int, inactive), default=0))


@dataclass(frozen=True)
class Memory:
    """A budget for tables, by default a quarter of what is free. It bounds what is held at once, never what comes out."""

    bytes: int = field(default_factory=lambda: max(LEAST, free_memory() // _SHARE))

    @property
    def engine(self) -> int:
        """DuckDB's limit."""
        return self.bytes // 2

    @property
    def threads(self) -> int:
        """DuckDB's threads: as many as there are processors, and as its limit can feed."""
        return max(1, min(cores(), self.engine // _THREAD))

    @property
    def processes(self) -> int:
        """Processes that compute buckets: as many as there are processors, and as the budget can feed."""
        return max(1, min(cores(), self.bytes // _PROCESS))

    @property
    def piece(self) -> int:
        """Bytes of rows that are sorted in memory at once."""
        return max(1 << 20, min(_PIECE, self.bytes // 8))

    @property
    def chunk(self) -> int:
        """Bytes of rows that are read at once from each of several sorted files."""
        return max(64 << 10, self.piece // 32)

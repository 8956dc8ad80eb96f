"""The peak memory of this process alone."""

import re
from pathlib import Path


def peak_gb() -> float:
    """Peak resident memory in GiB, of Linux. `ru_maxrss` will not do: a child's starts at what its parent had."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 2**20

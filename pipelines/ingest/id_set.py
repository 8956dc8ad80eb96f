"""Which ids were seen: 16 bytes each, where a Python set of texts would take a hundred. Ten million fit in 160 MB."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class IdSet:
    """A growing set of 32-digit hex ids, kept as a few sorted runs whose sizes at least double."""

    def __init__(self) -> None:
        self._runs: list[npt.NDArray[np.bytes_]] = []

    def add(self, ids: Sequence[str]) -> list[bool]:
        """Add ids in order; for each, whether it is new (not seen in an earlier call, nor earlier in this one)."""
        if not ids:
            return []
        keys = np.frombuffer(bytes.fromhex("".join(ids)), dtype="S16")
        known = np.zeros(len(keys), dtype=bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, keys), len(run) - 1)
            known |= run[places] == keys
        unique, first = np.unique(keys, return_index=True)
        new = np.zeros(len(keys), dtype=bool)
        new[first] = True
        self._insert(unique)
        return [bool(flag) for flag in new & ~known]

    def _insert(self, run: npt.NDArray[np.bytes_]) -> None:
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append(np.union1d(before, last))

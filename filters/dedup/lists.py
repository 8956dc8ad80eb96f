"""An inverted file that gets the lists of its rows: each row asks the coarse quantizer once, however often it is searched.

Finding the lists of a row costs as much as searching them: at 10 million rows there are 12,649. FAISS asks anew for every
`add` and every search; a set that is searched shard by shard would ask once a shard.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from filters.dedup.index import load_faiss
from filters.dedup.vectors import Floats, Ints


class Listed:
    """An IVF with the part of FAISS's interface that deduplication uses, and the lists of each row beside it."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @property
    def ntotal(self) -> int:
        return int(self._index.ntotal)

    def add(self, vectors: Floats, lists: Ints) -> None:
        """Store each vector in the first of its `lists` (`(rows, probes)`)."""
        swig_ptr = load_faiss().swig_ptr
        held, own = np.ascontiguousarray(vectors), np.ascontiguousarray(lists[:, 0])
        self._index.add_core(len(held), swig_ptr(held), None, swig_ptr(own))

    def range_search(self, vectors: Floats, radius: float, lists: Ints) -> tuple[Ints, Floats, Ints]:
        """`(lims, scores, ids)` of the stored rows in `lists` with an inner product above `radius`, as FAISS gives them."""
        asked, scores = np.ascontiguousarray(lists), np.zeros(lists.shape, dtype=np.float32)
        found: tuple[Ints, Floats, Ints] = self._index.range_search_preassigned(
            np.ascontiguousarray(vectors), radius, asked, scores
        )
        return found


class Lists:
    """The lists that rows probe, `(rows, probes)`, the nearest first. Each is worked out once, and then read from a file."""

    def __init__(self, quantizer: Any, rows: int, probes: int, folder: Path | None) -> None:
        """Keep what is found in a file of `folder` that nobody else sees (None: where temporary files go)."""
        self._quantizer = quantizer
        with tempfile.TemporaryFile(dir=folder) as file:  # the map holds it, and it goes with the map
            if hasattr(os, "posix_fallocate"):  # on a full disk, a write to a mapped file kills the process
                os.posix_fallocate(file.fileno(), 0, 4 * rows * probes)
            self._known = np.memmap(file, dtype=np.int32, mode="w+", shape=(rows, probes))

    def of(self, places: Ints, vectors: Floats) -> Ints:
        """The lists of the rows at `places`, whose vectors these are."""
        if not len(places):
            return np.empty((0, self._known.shape[1]), dtype=np.int64)
        found = self._known[places].astype(np.int64) - 1  # a new file is full of zeros
        new = np.flatnonzero(found[:, 0] < 0)
        if len(new):
            found[new] = self._quantizer.search(np.ascontiguousarray(vectors[new]), self._known.shape[1])[1]
            self._known[places[new]] = found[new] + 1
        return found

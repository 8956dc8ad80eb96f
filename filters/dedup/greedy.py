"""Greedy keep-best: walk the rows from best to worst and drop each that a kept one already covers.

So a pair keeps one, an exact triple keeps one, and a chain A~B~C with A unlike C keeps A and C. Only kept rows are ever
indexed and searched: a cluster of ten thousand copies costs ten thousand hits, not a hundred million.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from filters.dedup.index import load_faiss, range_hits
from filters.dedup.shards import Shard, Shards
from filters.dedup.vectors import Floats, Ints

FEW = 256
"""Rows below which a plain matrix product is quicker than an index."""


class Pairs(NamedTuple):
    """Index pairs: each `left[i]` is a duplicate of `right[i]`, at the given similarities."""

    left: Ints
    right: Ints
    text: npt.NDArray[np.float64]
    image: npt.NDArray[np.float64]

    def at(self, places: Ints) -> "Pairs":
        """The pairs at the given places."""
        return Pairs(self.left[places], self.right[places], self.text[places], self.image[places])


Confirm = Callable[[Ints, Ints], Pairs]
"""Takes candidate pairs and returns those that are duplicates under the exact rule."""

Take = Callable[[Ints], Floats]


def keep_best(
    rows: int,
    fixed: npt.NDArray[np.bool_],
    take: Take,
    confirm: Confirm,
    radius: float,
    shards: Shards | None,
    block: int,
) -> Pairs:
    """One pair for each dropped row: `left` dropped, `right` the best kept row that covers it.

    Rows are numbered from best to worst; a `fixed` row is kept whatever it resembles. `take` gives search vectors,
    `radius` the inner product above which a pair is a candidate, `block` the rows walked at once. `shards` hold kept rows;
    without them all rows are one block.
    """
    walked, start = _Walk(fixed, take, confirm, radius), 0
    if shards is None:
        walked.compare(np.arange(rows, dtype=np.int64), None, np.empty(0, dtype=np.int64))
        return joined(walked.dropped)
    while start < rows:
        shard, stored = Shard(shards, radius), np.empty(0, dtype=np.int64)
        for places in blocks(start, rows, block):
            if len(stored) + len(places) > shards.rows and len(stored):
                break
            kept, vectors = walked.compare(places, shard, stored)
            shard.add(kept, vectors)
            stored = np.concatenate([stored, kept])
            start += len(places)
        for places in blocks(start, rows, block):
            walked.search(places, shard, stored)
        shards.filled(shard.index, stored)
    return joined(walked.dropped)


def blocks(start: int, rows: int, block: int) -> Iterator[Ints]:
    """The numbers from `start` to `rows`, `block` at a time."""
    for first in range(start, rows, block):
        yield np.arange(first, min(first + block, rows), dtype=np.int64)


class _Walk:
    """Rows on their way to being kept or dropped."""

    def __init__(self, fixed: npt.NDArray[np.bool_], take: Take, confirm: Confirm, radius: float) -> None:
        self._fixed, self._take, self._confirm, self._radius = fixed, take, confirm, radius
        self._gone = np.zeros(len(fixed), dtype=bool)
        self.dropped = [no_pairs()]

    def compare(self, places: Ints, shard: Shard | None, stored: Ints) -> tuple[Ints, Floats]:
        """Drop what the rows of a shard cover, then what these rows do; those that are left, and their vectors."""
        alive = places[~self._gone[places]]
        vectors = self._take(alive)
        if shard is not None:
            free = ~self._fixed[alive]
            self._search(alive[free], vectors[free], shard, stored)
            left = ~self._gone[alive]
            alive, vectors = alive[left], vectors[left]
        self._drop(walk(self._confirm(*within(alive, vectors, self._radius)), self._fixed))
        left = ~self._gone[alive]
        return alive[left], vectors[left]

    def search(self, places: Ints, shard: Shard, stored: Ints) -> None:
        """Drop what the rows of a shard, which have the numbers `stored`, cover."""
        free = places[~self._gone[places] & ~self._fixed[places]]
        if len(free):
            self._search(free, self._take(free), shard, stored)

    def _search(self, places: Ints, vectors: Floats, shard: Shard, stored: Ints) -> None:
        found = [self._confirm(places[head], stored[tail]) for head, tail in shard.near(places, vectors)]
        self._drop(_first(joined([no_pairs(), *found])))

    def _drop(self, pairs: Pairs) -> None:
        self._gone[pairs.left] = True
        self.dropped.append(pairs)


def joined(parts: Sequence[Pairs]) -> Pairs:
    """All pairs of all parts, in order."""
    left, right = (np.concatenate([part[i] for part in parts]).astype(np.int64) for i in (0, 1))
    text, image = (np.concatenate([part[i] for part in parts]).astype(np.float64) for i in (2, 3))
    return Pairs(left, right, text, image)


def no_pairs() -> Pairs:
    """No pair at all."""
    none, real = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
    return Pairs(none, none, real, real)


def within(places: Ints, vectors: Floats, radius: float) -> tuple[Ints, Ints]:
    """All pairs inside one block above `radius`, as places, the worse row first."""
    if len(places) < FEW:
        worse, better = np.nonzero(np.tril(vectors @ vectors.T > radius, k=-1))
        return places[worse], places[better]
    flat = load_faiss().IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    worse, better = range_hits(flat, vectors, radius)
    below = better < worse
    return places[worse[below]], places[better[below]]


def walk(pairs: Pairs, fixed: npt.NDArray[np.bool_]) -> Pairs:
    """Greedy keep-best over known pairs: for each dropped row, its pair with the best kept one.

    `left` is the worse row of each pair; `fixed` says by row which ones are never dropped.
    """
    free = pairs.at(np.flatnonzero(~fixed[pairs.left]))
    order = np.lexsort((free.right, free.left))
    gone: set[int] = set()
    chosen: list[int] = []
    for i, left, right in zip(order.tolist(), free.left[order].tolist(), free.right[order].tolist(), strict=True):
        if left not in gone and right not in gone:
            gone.add(left)
            chosen.append(i)
    return free.at(np.array(chosen, dtype=np.int64))


def _first(pairs: Pairs) -> Pairs:
    """For each left row, its pair with the best right one."""
    order = np.lexsort((pairs.right, pairs.left))
    _, first = np.unique(pairs.left[order], return_index=True)
    return pairs.at(order[first])

"""Greedy keep-best: walk the rows from best to worst and drop each that a kept one already covers.

So a pair keeps one, an exact triple keeps one, and a chain A~B~C with A unlike C keeps A and C. Only kept rows are ever
indexed and searched: a cluster of ten thousand copies costs ten thousand hits, not a hundred million.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.dedup.index import RangeReader, load_faiss, range_hits
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
    rows: int, fixed: npt.NDArray[np.bool_], take: Take, confirm: Confirm, radius: float, index: Any, block: int
) -> tuple[Pairs, Ints]:
    """One pair for each dropped row (`left` dropped, `right` the best kept row that covers it), and the indexed rows.

    Rows are numbered from best to worst; a `fixed` row is kept whatever it resembles. `take` gives search vectors,
    `radius` the inner product above which a pair is a candidate, `block` the rows walked at once. `index` is empty
    and receives kept rows; it may be None where `rows <= block`.
    """
    stored, count = np.empty(rows, dtype=np.int64), 0
    reader = RangeReader(index, radius)
    dropped = [no_pairs()]
    for start in range(0, rows, block):
        places = np.arange(start, min(start + block, rows), dtype=np.int64)
        vectors = take(places)
        alive = np.ones(len(places), dtype=bool)
        if count:
            free = np.flatnonzero(~fixed[places])
            head, tail = reader.pairs(vectors[free])
            dropped.append(_first(confirm(places[free[head]], stored[tail])))
            alive = ~np.isin(places, dropped[-1].left)
        dropped.append(walk(confirm(*within(places[alive], vectors[alive], radius)), fixed))
        kept = alive & ~np.isin(places, dropped[-1].left)
        if start + block < rows:
            index.add(np.ascontiguousarray(vectors[kept]))
            stored[count : count + kept.sum()] = places[kept]
            count += int(kept.sum())
    return joined(dropped), stored[:count]


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

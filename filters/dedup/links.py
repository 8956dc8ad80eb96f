"""Every link between near rows, for grouping: nothing is dropped, so a chain A~B~C must yield both of its links."""

from typing import Any

import numpy as np

from filters.dedup.greedy import Confirm, Pairs, Take, joined, no_pairs, within
from filters.dedup.index import RangeReader

LIMIT = 4_000_000
"""Links held at once before they are thinned to a spanning forest."""


def linked(rows: int, take: Take, confirm: Confirm, radius: float, index: Any, block: int) -> Pairs:
    """A spanning forest of all pairs that `confirm` accepts: it connects the same rows with the fewest links.

    `index` is empty and receives every row; it may be None where `rows <= block`.
    """
    found = no_pairs()
    reader = RangeReader(index, radius)
    for start in range(0, rows, block):
        places = np.arange(start, min(start + block, rows), dtype=np.int64)
        vectors = take(places)
        found = _thinned([found, confirm(*within(places, vectors, radius))], rows)
        if index is not None:
            for head, tail in reader.parts(vectors):
                found = _thinned([found, confirm(places[head], tail)], rows)
            index.add(vectors)
    return forest(found, rows)


def _thinned(parts: list[Pairs], rows: int) -> Pairs:
    found = joined(parts)
    return forest(found, rows) if len(found.left) > LIMIT else found


def forest(pairs: Pairs, rows: int) -> Pairs:
    """The fewest of the pairs that connect the same of `rows` rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    if not len(pairs.left):
        return pairs
    number = np.arange(1, len(pairs.left) + 1, dtype=np.float64)
    tree = minimum_spanning_tree(coo_array((number, (pairs.left, pairs.right)), shape=(rows, rows)).tocsr())
    chosen = np.sort(tree.data).astype(np.int64) - 1
    return pairs.at(chosen)

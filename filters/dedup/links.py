"""Every link between near rows, for grouping: nothing is dropped, so a chain A~B~C must yield both of its links."""

import numpy as np

from filters.dedup.greedy import Confirm, Pairs, Take, blocks, joined, no_pairs, within
from filters.dedup.shards import Shard, Shards

LIMIT = 4_000_000
"""Links held at once before they are thinned to a spanning forest."""


def linked(rows: int, take: Take, confirm: Confirm, radius: float, shards: Shards | None, block: int) -> Pairs:
    """A spanning forest of all pairs that `confirm` accepts: it connects the same rows with the fewest links.

    `shards` hold the rows; without them all are one block.
    """
    if shards is None:
        every = np.arange(rows, dtype=np.int64)
        return forest(confirm(*within(every, take(every), radius)), rows)
    found, size = no_pairs(), max(1, shards.rows // block) * block
    for first in range(0, rows, size):
        shard, stored = Shard(shards, radius), np.arange(first, min(first + size, rows), dtype=np.int64)
        for places in blocks(first, rows, block):
            vectors = take(places)
            for head, tail in shard.near(places, vectors):
                found = _thinned([found, confirm(places[head], stored[tail])], rows)
            if places[0] < first + size:
                found = _thinned([found, confirm(*within(places, vectors, radius))], rows)
                shard.add(places, vectors)
        shards.filled(shard.index, stored)
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

"""How well a selection covers the rows worth taking: the figure by which coverage is compared with the random control."""

import numpy as np
import polars as pl

from filters.dedup.recall import sample_places
from filters.dedup.vectors import Vectors

SAMPLE = 2_000
"""Rows looked at, so that the figure is cheap beside the selection itself."""

BLOCK = 4096
"""Chosen rows compared at a time."""


def nearness(vectors: Vectors, asked: pl.Series, chosen: pl.Series, seed: int) -> float | None:
    """The mean cosine of a row of `asked` to the nearest chosen one; 1 where each was chosen or has a copy there.

    `asked` and `chosen` are ids, of rows in `vectors`. It is facility location's own measure, over `SAMPLE` of `asked`
    drawn by seed, the same ones for every `chosen`. None where there is nothing to compare.
    """
    if asked.is_empty() or chosen.is_empty():
        return None
    keys = asked.sort()
    wanted = vectors.take(vectors.find(keys.gather(sample_places(len(keys), SAMPLE, seed))))
    places = vectors.find(chosen.sort())
    best = np.full(len(wanted), -1.0, dtype=np.float32)
    for start in range(0, len(places), BLOCK):
        block = vectors.take(places[start : start + BLOCK])
        np.maximum(best, (wanted @ block.T).max(axis=1), out=best)
    # Four digits, so that the figure is the same on every machine.
    return round(float(best.astype(np.float64).mean()), 4)

"""The nearest other rows of each row, exactly: what examples in a prompt are drawn from."""

import numpy as np
import numpy.typing as npt
import polars as pl

from filters.dedup.vectors import Ints, Vectors
from filters.select.neighbours import SCALE

ROWS = 512
"""Rows whose neighbours are looked for at a time."""

OTHERS = 4096
"""Rows that they are compared with at a time."""

_NONE = np.iinfo(np.int64).min


def nearest(rows: pl.DataFrame, vectors: Vectors, k: int) -> pl.DataFrame:
    """`id, nearest`: for each of `rows`, in its order, the ids of its at most `k` nearest others, the nearest first.

    `rows` has `id` (which is also the key of its vector), `group`, and the boolean `offered`. No row is a neighbour of one
    of its own group, nor is one that is not offered, nor one with a cosine of 0 or less. Cosines are compared in
    ten-thousandths, as coverage compares them, and ties go by id, so that neither the order of the rows nor the machine
    decides. The search is by brute force in blocks: time grows with rows times those offered, and beside the vectors and
    the result less than 90 MB are held, whatever the number of rows.
    """
    ordered = rows.sort("id").with_columns(code=pl.col("group").rank("dense"))
    ids, codes = ordered["id"], ordered["code"].to_numpy().astype(np.int64)
    places = vectors.find(ids)
    offered = np.flatnonzero(ordered["offered"].to_numpy())
    found = [
        _of_block(vectors, places, codes, offered, slice(start, start + ROWS), k) for start in range(0, len(ids), ROWS)
    ]
    return rows.select("id").join(_listed(ids, found), on="id", how="left", maintain_order="left")


def _of_block(vectors: Vectors, places: Ints, codes: Ints, offered: Ints, block: slice, k: int) -> Ints:
    """`(rows of the block, k)`: places of neighbours in id order, the nearest first; -1 where there are no more."""
    asked, own = vectors.take(places[block]), codes[block, None]
    best: npt.NDArray[np.int64] = np.full((len(asked), k), _NONE)
    for start in range(0, len(offered), OTHERS):
        others = offered[start : start + OTHERS]
        near = np.rint((asked @ vectors.take(places[others]).T) * SCALE).astype(np.int64)
        keys = near * len(codes) - others  # one number for both: of equally near ones the first by id is the larger
        keys[(near <= 0) | (own == codes[others])] = _NONE
        both = np.concatenate([best, keys], axis=1)
        best = np.partition(both, -k, axis=1)[:, -k:]
    best = np.sort(best, axis=1)[:, ::-1]
    return np.where(best == _NONE, -1, -best % len(codes))


def _listed(ids: pl.Series, blocks: list[Ints]) -> pl.DataFrame:
    """`id, nearest` of places as `_of_block` gives them."""
    lists = [ids.gather(row[row >= 0]).to_list() for block in blocks for row in block]
    return pl.DataFrame({"id": ids, "nearest": lists}, schema={"id": pl.String, "nearest": pl.List(pl.String)})

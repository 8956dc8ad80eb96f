"""The graph of nearest neighbours over FAISS: what coverage needs to know about a million vectors, and no more."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.dedup.index import Choice, IndexConfig, centroids, choose, load_faiss, make_index
from filters.dedup.recall import Probe, lists_needed, sample_places
from filters.dedup.search import Report, Search, logged
from filters.dedup.vectors import Floats, Ints

SCALE = 10_000
"""Nearness is a cosine in ten-thousandths, a whole number: sums are exact, whatever the order or the machine."""

QUERIES = 200
"""Sampled rows whose true neighbours are compared with what an approximate search finds."""


class Graph(NamedTuple):
    """Neighbours of `i` are `ends[starts[i]:starts[i + 1]]`, their nearness is the same slice of `near`.

    Symmetric: i is a neighbour of j when either is among the nearest of the other. Every row is its own neighbour, with
    nearness SCALE. Nearness is in 1..SCALE; rows with a cosine of 0 or less are no neighbours. `starts` is
    `(rows + 1,)`, `ends` and `near` are `(edges,)` int32.
    """

    starts: Ints
    ends: npt.NDArray[np.int32]
    near: npt.NDArray[np.int32]

    @property
    def rows(self) -> int:
        return len(self.starts) - 1


def neighbour_graph(vectors: Floats, neighbours: int, config: IndexConfig, report: Report = logged) -> Graph:
    """The graph of the `neighbours` nearest of each of `vectors`, `(rows, dim)` float32 of length one.

    Exact up to `config.exact_limit` rows. Above it an IVF, with as many lists probed as `config.min_recall` asks for
    (measured against brute force on a sample); where that is more than a quarter of its lists, exact search is faster
    and is taken. `report` is called with the search. An HNSW is not offered (`CoverageConfig`).
    """
    rows = len(vectors)
    if rows == 0:
        return Graph(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32))
    index = _filled(vectors, neighbours, config, report)
    width = min(neighbours + 1, rows)
    heads, tails, near = [], [], []
    for start in range(0, rows, config.block):
        cosines, found = index.search(np.ascontiguousarray(vectors[start : start + config.block]), width)
        closeness = np.rint(np.clip(cosines, -1.0, 1.0).astype(np.float64) * SCALE).astype(np.int32)
        head = np.broadcast_to(np.arange(start, start + len(found), dtype=np.int32)[:, None], found.shape)
        good = (found >= 0) & (closeness > 0)
        heads.append(head[good])
        tails.append(found[good].astype(np.int32))
        near.append(closeness[good])
    return _symmetric(np.concatenate(heads), np.concatenate(tails), np.concatenate(near), rows)


def _filled(vectors: Floats, neighbours: int, config: IndexConfig, report: Report) -> Any:
    """An index that holds `vectors`."""
    if config.threads:
        load_faiss().omp_set_num_threads(config.threads)
    choice = dataclasses.replace(choose(len(vectors), vectors.shape[1], config), gpu=False)
    quantizer, search = None, Search(choice)
    if choice.kind == "ivf":
        sample = vectors[sample_places(len(vectors), choice.lists * config.train_per_list, config.seed)]
        quantizer = centroids(sample, choice, config)
        found = _true_neighbours(vectors, neighbours, config)
        probes, recall = lists_needed(quantizer, found, lambda places: vectors[places], config.min_recall)
        choice = dataclasses.replace(choice, probes=probes)
        search = Search(choice, recall, len(found.heads))
        if 4 * probes > choice.lists:
            choice = Choice("exact", choice.rows, choice.dim)
            search = Search(choice)
    report(search)
    index = make_index(choice, config, quantizer)
    for start in range(0, len(vectors), 1 << 16):
        index.add(vectors[start : start + (1 << 16)])
    return index


def _true_neighbours(vectors: Floats, neighbours: int, config: IndexConfig) -> Probe:
    """The nearest neighbours of sampled rows by brute force."""
    places = sample_places(len(vectors), min(QUERIES, config.recall_sample), config.seed)
    flat = load_faiss().IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    found = flat.search(vectors[places], min(neighbours + 1, len(vectors)))[1]
    heads = np.repeat(np.arange(len(places), dtype=np.int64), found.shape[1])
    tails = found.ravel().astype(np.int64)
    other = places[heads] != tails
    return Probe(vectors[places], heads[other], tails[other], np.zeros(len(places), dtype=np.bool_))


def _symmetric(
    heads: npt.NDArray[np.int32], tails: npt.NDArray[np.int32], near: npt.NDArray[np.int32], rows: int
) -> Graph:
    from scipy.sparse import csr_array, eye_array

    # The sum of a duplicate edge would exceed SCALE, but a search names each row once.
    directed = csr_array((near, (heads, tails)), shape=(rows, rows))
    both = directed.maximum(directed.T.tocsr()).maximum(eye_array(rows, dtype=np.int32, format="csr") * SCALE)
    both.sort_indices()
    return Graph(both.indptr.astype(np.int64), both.indices.astype(np.int32), both.data.astype(np.int32))

"""How much an approximate search finds, measured against brute force, before its answer is believed."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np

from filters.dedup.index import IndexConfig, load_faiss, range_hits
from filters.dedup.vectors import Floats, Ints
from schemas.errors import StageError

Take = Callable[[Ints], Floats]


def sample_places(rows: int, size: int, seed: int) -> Ints:
    """`min(size, rows)` places out of `rows`, sorted, drawn from `seed`."""
    if size >= rows:
        return np.arange(rows, dtype=np.int64)
    return np.array(sorted(Random(seed).sample(range(rows), size)), dtype=np.int64)


def probes(rows: int, take: Take, radius: float, config: IndexConfig) -> Floats:
    """Queries for a recall measurement: sampled rows, and each of them moved towards another row to the edge of range.

    The moved ones are the hard cases, and they make the measurement meaningful where true duplicates are rare.
    """
    places = sample_places(rows, config.recall_sample, config.seed)
    own = take(places)
    other = take(np.roll(places, 1))
    cos = np.clip(np.einsum("ij,ij->i", own, other), -1.0, 1.0)[:, None]
    side = other - cos * own
    length = np.linalg.norm(side, axis=1, keepdims=True)
    side = np.divide(side, length, out=np.zeros_like(side), where=length > 1e-6)
    edge = min(1.0, radius + 1e-3)
    moved = edge * own + np.float32(np.sqrt(1 - edge**2)) * side
    return np.concatenate([own, moved.astype(np.float32)])


def true_pairs(queries: Floats, rows: int, take: Take, radius: float) -> tuple[Ints, Ints]:
    """`(query, row)` of all pairs above `radius`, by brute force, reading the rows in blocks."""
    faiss = load_faiss()
    heads, tails = [], []
    for places in _blocks(rows, 65_536):
        flat = faiss.IndexFlatIP(queries.shape[1])
        flat.add(take(places))
        head, tail = range_hits(flat, queries, radius)
        heads.append(head)
        tails.append(places[tail])
    return np.concatenate(heads), np.concatenate(tails)


def probes_needed(
    quantizer: Any, queries: Floats, pairs: tuple[Ints, Ints], take: Take, recall: float
) -> tuple[int, float]:
    """The fewest lists to probe that reach `recall` on the true pairs, and the recall that this gives.

    An IVF scans the probed lists completely, so a pair is found exactly when the row's list is among those probed:
    the place of that list in the query's order is all one needs to know, and no index has to be built to know it.
    """
    head, tail = pairs
    unique, inverse = np.unique(tail, return_inverse=True)
    lists = quantizer.search(take(unique), 1)[1][:, 0][inverse]
    wanted = lists != quantizer.search(queries, 1)[1][head, 0]
    place = np.zeros(len(head), dtype=np.int64)
    for part in np.array_split(np.flatnonzero(wanted), max(1, len(head) // 4096)):
        if len(part):
            order = quantizer.search(queries[head[part]], min(1024, quantizer.ntotal))[1]
            hit = order == lists[part, None]
            place[part] = np.where(hit.any(axis=1), hit.argmax(axis=1), quantizer.ntotal)
    reached = np.sort(place)
    need = int(reached[min(len(reached) - 1, int(np.ceil(recall * len(reached))) - 1)]) + 1
    need = min(need, quantizer.ntotal)
    return need, float(np.mean(place < need))


def measured(index: Any, queries: Floats, pairs: tuple[Ints, Ints], radius: float, rows: int) -> float:
    """The share of the true pairs that the index itself returns; `rows` is the number of indexed vectors."""
    found = range_hits(index, queries, radius)
    code_found, code_true = found[0] * rows + found[1], pairs[0] * rows + pairs[1]
    return float(np.isin(code_true, code_found).mean()) if len(code_true) else 1.0


def refuse_below(recall: float, config: IndexConfig, what: str) -> None:
    """Raise StageError when a measured recall does not reach the asked one."""
    if recall < config.min_recall:
        raise StageError(
            f"{what} finds {recall:.3f} of the true neighbours, below index.min_recall = {config.min_recall}. "
            "Set index.kind: exact, or raise index.hnsw_ef, or lower index.min_recall."
        )


def _blocks(rows: int, size: int) -> Iterator[Ints]:
    for start in range(0, rows, size):
        yield np.arange(start, min(start + size, rows), dtype=np.int64)

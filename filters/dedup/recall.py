"""How much an approximate search finds, measured against brute force, before its answer is believed."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.dedup.index import IndexConfig, load_faiss, range_hits
from filters.dedup.vectors import Floats, Ints
from schemas.errors import StepError

Take = Callable[[Ints], Floats]

BLOCK = 64 << 20
"""Bytes of rows that are compared with the sample at once."""

ENOUGH = 50
"""Pairs below this number say too little to tune by."""


def sample_places(rows: int, size: int, seed: int) -> Ints:
    """`min(size, rows)` places out of `rows`, sorted, drawn from `seed`."""
    if size >= rows:
        return np.arange(rows, dtype=np.int64)
    return np.array(sorted(Random(seed).sample(range(rows), size)), dtype=np.int64)


class Probe(NamedTuple):
    """Queries, and all pairs `(query, row)` above the radius, by brute force; `moved` says which queries are no rows."""

    queries: Floats
    heads: Ints
    tails: Ints
    moved: npt.NDArray[np.bool_]


def probe(rows: int, take: Take, radius: float, config: IndexConfig) -> Probe:
    """Sampled rows, and a quarter of them again, moved towards another row to the edge of range, with their neighbours.

    Rows show how near duplicates really lie, and a row does not count as its own neighbour. Where few rows have a
    duplicate, the moved ones still do: the row that they were.
    """
    places = sample_places(rows, config.recall_sample, config.seed)
    own = take(places)
    some = np.arange(0, len(places), 4)
    queries = np.concatenate([own, _moved(own[some], np.roll(own[some], 1, axis=0), radius)])
    heads, tails = true_pairs(queries, rows, take, radius)
    itself = np.concatenate([places, np.full(len(some), -1)])
    other = itself[heads] != tails
    return Probe(queries, heads[other], tails[other], np.arange(len(queries)) >= len(places))


def _moved(own: Floats, towards: Floats, radius: float) -> Floats:
    cos = np.clip(np.einsum("ij,ij->i", own, towards), -1.0, 1.0)[:, None]
    side = towards - cos * own
    length = np.linalg.norm(side, axis=1, keepdims=True)
    side = np.divide(side, length, out=np.zeros_like(side), where=length > 1e-6)
    edge = min(1.0, radius + 1e-3)
    moved: Floats = (edge * own + np.float32(np.sqrt(1 - edge**2)) * side).astype(np.float32)
    return moved


def true_pairs(queries: Floats, rows: int, take: Take, radius: float) -> tuple[Ints, Ints]:
    """`(query, row)` of all pairs above `radius`, by brute force, reading the rows in blocks."""
    faiss = load_faiss()
    heads, tails = [], []
    for places in _blocks(rows, max(1, BLOCK // (4 * queries.shape[1]))):
        flat = faiss.IndexFlatIP(queries.shape[1])
        flat.add(take(places))
        head, tail = range_hits(flat, queries, radius)
        heads.append(head)
        tails.append(places[tail])
    return np.concatenate(heads), np.concatenate(tails)


def lists_needed(quantizer: Any, found: Probe, take: Take, recall: float) -> tuple[int, float]:
    """The fewest lists to probe that reach `recall` beyond the sampling error, and the share of the sample this finds.

    An IVF scans the probed lists completely, so a pair is found exactly when the row's list is among those probed:
    the place of that list in the query's order is all one needs to know, and no index has to be built to know it.
    Pairs of rows and of moved queries have to reach it each by themselves.
    """
    unique, inverse = np.unique(found.tails, return_inverse=True)
    lists = quantizer.search(take(unique), 1)[1][:, 0][inverse] if len(unique) else found.tails
    place = np.zeros(len(lists), dtype=np.int64)
    for part in np.array_split(np.arange(len(lists)), max(1, len(lists) // 4096)):
        order = quantizer.search(found.queries[found.heads[part]], min(1024, quantizer.ntotal))[1]
        hit = order == lists[part, None]
        place[part] = np.where(hit.any(axis=1), hit.argmax(axis=1), quantizer.ntotal)
    moved = found.moved[found.heads]
    sorts = [np.sort(place[side]) for side in (moved, ~moved)]
    sorts = [side for side in sorts if len(side) >= ENOUGH] or [np.sort(place)]
    need = 1 + max((int(side[_last(len(side), recall)]) for side in sorts if len(side)), default=0)
    need = min(need, int(quantizer.ntotal))
    return need, min((float(np.mean(side < need)) for side in sorts if len(side)), default=1.0)


def _last(pairs: int, recall: float) -> int:
    """How far into a sorted sample to go for that recall of all pairs: two standard errors further than in the sample."""
    share = min(1.0, recall + 2 * float(np.sqrt(recall * (1 - recall) / pairs)))
    return max(0, int(np.ceil(share * pairs)) - 1)


def wilson_ends(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Both ends of the Wilson score interval (1927) of a `share` of `count`; 95 % by default."""
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * float(np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)))
    return max(0.0, middle - half), min(1.0, middle + half)


def measured(index: Any, found: Probe, radius: float) -> float:
    """The share of the true pairs that the index itself returns."""
    if not len(found.heads):
        return 1.0
    head, tail = range_hits(index, np.ascontiguousarray(found.queries), radius)
    rows = int(index.ntotal)
    return float(np.isin(found.heads * rows + found.tails, head * rows + tail).mean())


def refuse_below(recall: float, config: IndexConfig, what: str) -> None:
    """Raise StepError when a measured recall does not reach the asked one."""
    if recall < config.min_recall:
        raise StepError(
            f"{what} finds {recall:.3f} of the true neighbours, below index.min_recall = {config.min_recall}. "
            "Set index.kind: exact, or raise index.hnsw_ef, or lower index.min_recall."
        )


def _blocks(rows: int, size: int) -> Iterator[Ints]:
    for start in range(0, rows, size):
        yield np.arange(start, min(start + size, rows), dtype=np.int64)

"""Searching: every kind of index against brute force, and the refusal of one that misses too much."""

import dataclasses
import logging
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from filters.dedup import links, shards
from filters.dedup.device_index import DeviceFlat
from filters.dedup.greedy import Pairs, keep_best
from filters.dedup.index import IndexConfig, RangeReader, choose, make_index, range_hits
from filters.dedup.search import searcher, verified
from filters.dedup.search import shards as shards_of
from filters.dedup.shards import Shards
from schemas.errors import StepError

RADIUS = 0.95


def _vectors(rows: int = 6_000, dim: int = 32) -> np.ndarray[Any, Any]:
    """Clustered unit vectors, a third of them near copies of others."""
    chance = np.random.default_rng(0)
    base = chance.standard_normal((40, dim))[chance.integers(0, 40, rows)] + 1.2 * chance.standard_normal((rows, dim))
    copies = rows // 3
    base[-copies:] = base[:copies] + 0.15 * chance.standard_normal((copies, dim))
    unit = base / np.linalg.norm(base, axis=1, keepdims=True)
    return unit.astype(np.float16).astype(np.float32)


VECTORS = _vectors()


def _brute(queries: np.ndarray[Any, Any]) -> set[tuple[int, int]]:
    rows, columns = np.nonzero(queries @ VECTORS.T > RADIUS)
    return set(zip(rows.tolist(), columns.tolist(), strict=True))


def _found(index: Any, queries: np.ndarray[Any, Any], hits: int = 1 << 20) -> set[tuple[int, int]]:
    rows, columns = range_hits(index, queries, RADIUS, hits)
    return set(zip(rows.tolist(), columns.tolist(), strict=True))


@pytest.mark.parametrize("hits", [1, 1 << 20])
def test_exact_search_finds_everything_in_blocks_of_any_size(hits: int) -> None:
    index = make_index(choose(6_000, 32, IndexConfig(kind="exact", gpu=False)), IndexConfig())
    index.add(VECTORS)
    assert _found(index, VECTORS[:300], hits) == _brute(VECTORS[:300])


def test_links_are_thinned_as_they_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    monkeypatch.setattr(links, "LIMIT", 5_000)
    monkeypatch.setattr(shards, "RangeReader", lambda index, radius: RangeReader(index, radius, hits=1 << 12))

    def confirm(left: Any, right: Any) -> Pairs:
        held.append(len(left))
        return Pairs(left, right, np.ones(len(left)), np.ones(len(left)))

    alike = np.repeat(VECTORS[:1], 3_000, axis=0)
    choice = choose(3_000, 32, IndexConfig(kind="exact", gpu=False))
    held_in = Shards(lambda: make_index(choice, IndexConfig()), 3_000)
    forest = links.linked(3_000, alike.__getitem__, confirm, RADIUS, held_in, 100)
    assert len(forest.left) == 2_999
    assert sum(held) == 3_000 * 2_999 // 2 and max(held) <= 64 * 3_000, "never a whole block of hits at once"


def test_the_device_index_finds_the_same() -> None:
    index = DeviceFlat(len(VECTORS), 32, device="cpu", tile=1_000)
    index.add(VECTORS[:2_500])
    index.add(VECTORS[2_500:])
    assert _found(index, VECTORS[:300]) == _brute(VECTORS[:300])


@pytest.mark.gpu
def test_a_gpu_finds_the_same() -> None:
    index = make_index(choose(len(VECTORS), 32, IndexConfig(kind="exact")), IndexConfig())
    assert isinstance(index, DeviceFlat)
    index.add(VECTORS)
    exact, found = _brute(VECTORS[:300]), _found(index, VECTORS[:300])
    scores = VECTORS @ VECTORS.T
    assert all(abs(scores[pair] - RADIUS) < 1e-3 for pair in exact ^ found)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_approximate_search_reaches_the_asked_recall(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    config = IndexConfig(kind=kind, min_recall=0.97, recall_sample=500)
    with caplog.at_level(logging.INFO):
        index = searcher(len(VECTORS), 32, VECTORS.__getitem__, RADIUS, config)
        index.add(VECTORS)
        verified(index, VECTORS.__getitem__, RADIUS, config)
    asked = _brute(VECTORS[:2_000])
    recall = len(asked & _found(index, VECTORS[:2_000])) / len(asked)
    assert recall >= 0.96
    assert "recall" in caplog.text and kind in caplog.text
    assert not _found(index, VECTORS[:2_000]) - _brute(VECTORS[:2_000])


def test_a_poor_graph_is_refused() -> None:
    config = IndexConfig(kind="hnsw", hnsw_links=2, hnsw_ef=1, min_recall=0.999)
    index = searcher(len(VECTORS), 32, VECTORS.__getitem__, RADIUS, config)
    index.add(VECTORS)
    with pytest.raises(StepError, match=r"below index.min_recall = 0.999"):
        verified(index, VECTORS.__getitem__, RADIUS, config)


def test_the_choice_is_by_size() -> None:
    config = IndexConfig(exact_limit=1_000, gpu=False)
    assert choose(1_000, 8, config).kind == "exact"
    large = choose(1_000_000, 8, config)
    assert (large.kind, large.lists) == ("ivf", 4_000)
    assert choose(10, 8, IndexConfig(kind="hnsw")).kind == "hnsw"


@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_keeping_the_best_needs_no_more_than_kept_rows(kind: Any) -> None:
    config = IndexConfig(kind=kind, min_recall=0.98, gpu=False)

    def confirm(left: Any, right: Any) -> Pairs:
        similarity = np.einsum("ij,ij->i", VECTORS[left], VECTORS[right]).astype(np.float64)
        good = similarity > RADIUS
        return Pairs(left[good], right[good], similarity[good], np.ones(int(good.sum())))

    stored: list[int] = []
    held = shards_of(len(VECTORS), 32, VECTORS.__getitem__, RADIUS, config)
    held = dataclasses.replace(held, filled=lambda index, rows: stored.extend(rows.tolist()))
    fixed = np.zeros(len(VECTORS), dtype=bool)
    pairs = keep_best(len(VECTORS), fixed, VECTORS.__getitem__, confirm, RADIUS, held, 512)
    kept: list[int] = []
    for row in range(len(VECTORS)):
        if not kept or float((VECTORS[kept] @ VECTORS[row]).max()) <= RADIUS:
            kept.append(row)
    missed = set(range(len(VECTORS))) - set(kept) - set(pairs.left.tolist())
    assert len(missed) <= (0 if kind == "exact" else 0.02 * (len(VECTORS) - len(kept)))
    assert set(stored) == set(range(len(VECTORS))) - set(pairs.left.tolist())


def test_faiss_and_torch_work_in_one_process() -> None:
    script = """
import numpy, torch, faiss
x = numpy.random.default_rng(0).standard_normal((20000, 32)).astype("float32")
for _ in range(2):
    (torch.randn(400, 400) @ torch.randn(400, 400)).sum()
    index = faiss.IndexFlatIP(32); index.add(x); index.range_search(x[:200], 30.0)
    means = faiss.Clustering(32, 50); means.niter = 2; means.train(x, faiss.IndexFlatIP(32))
    (x[:500] @ x.T).sum()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, capture_output=True)

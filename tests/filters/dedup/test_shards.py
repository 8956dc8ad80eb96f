"""Sets searched shard by shard: memory decides how many shards there are, and nothing of what is found."""

from typing import Any

import numpy as np
import pytest

from filters.dedup.greedy import Pairs, keep_best
from filters.dedup.index import Choice, IndexConfig
from filters.dedup.links import linked
from filters.dedup.recall import wilson_ends
from filters.dedup.search import Search, shards
from filters.dedup.shards import Room, Shards

RADIUS, DIM, BLOCK = 0.95, 32, 256


def _vectors(rows: int = 5_000) -> np.ndarray[Any, Any]:
    """Clustered unit vectors, a third of them near copies of others."""
    chance = np.random.default_rng(1)
    base = chance.standard_normal((40, DIM))[chance.integers(0, 40, rows)] + 1.2 * chance.standard_normal((rows, DIM))
    base[::3] = base[chance.integers(0, rows, len(base[::3]))] + 0.15 * chance.standard_normal((len(base[::3]), DIM))
    unit = base / np.linalg.norm(base, axis=1, keepdims=True)
    return unit.astype(np.float16).astype(np.float32)


VECTORS = _vectors()
FIXED = np.arange(len(VECTORS)) % 7 == 0


def confirm(left: Any, right: Any) -> Pairs:
    similarity = np.round(np.einsum("ij,ij->i", VECTORS[left], VECTORS[right]).astype(np.float64), 4)
    good = similarity > RADIUS + 1e-3
    return Pairs(left[good], right[good], similarity[good], np.ones(int(good.sum())))


def held(kind: Any, rows: int | None) -> Shards:
    room = Room(None if rows is None else rows * (4 * DIM if kind == "exact" else 3 * DIM + 16))
    return shards(
        len(VECTORS), DIM, VECTORS.__getitem__, RADIUS, IndexConfig(kind=kind, gpu=False, block=BLOCK), room=room
    )


@pytest.mark.parametrize("kind", ["exact", "ivf"])
@pytest.mark.parametrize("rows", [1, 700, 2_000])
def test_any_number_of_shards_drops_the_same_rows_for_the_same_partners(kind: Any, rows: int) -> None:
    found = [
        keep_best(len(VECTORS), FIXED, VECTORS.__getitem__, confirm, RADIUS, held(kind, most), BLOCK)
        for most in (None, rows)
    ]
    whole, parts = (sorted(zip(p.left.tolist(), p.right.tolist(), p.text.tolist(), strict=True)) for p in found)
    assert whole == parts and len(whole) > 500


@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_any_number_of_shards_connects_the_same_rows(kind: Any) -> None:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    groups = []
    for most in (None, 700):
        pairs = linked(len(VECTORS), VECTORS.__getitem__, confirm, RADIUS, held(kind, most), BLOCK)
        ties = coo_array((np.ones(len(pairs.left)), (pairs.left, pairs.right)), shape=(len(VECTORS), len(VECTORS)))
        groups.append(connected_components(ties, directed=False)[1])
    assert (groups[0] == groups[1]).all()


def test_no_index_receives_more_rows_than_there_is_room_for() -> None:
    sizes: list[int] = []
    one = held("ivf", 1_000)
    many = Shards(one.make, one.rows, one.lists, lambda index, stored: sizes.append(len(stored)))
    keep_best(len(VECTORS), FIXED, VECTORS.__getitem__, confirm, RADIUS, many, BLOCK)
    assert len(sizes) >= 4 and max(sizes) <= 1_000


def test_each_row_asks_for_its_lists_once_however_many_shards_there_are() -> None:
    one = held("ivf", 700)
    assert one.lists is not None
    asked = 0
    quantizer = one.lists._quantizer

    class Counting:
        def search(self, vectors: Any, probes: int) -> Any:
            nonlocal asked
            asked += len(vectors)
            return quantizer.search(vectors, probes)

    one.lists._quantizer = Counting()
    keep_best(len(VECTORS), FIXED, VECTORS.__getitem__, confirm, RADIUS, one, BLOCK)
    assert 0 < asked <= len(VECTORS)


def test_recall_comes_with_its_interval_by_rows() -> None:
    low, high = wilson_ends(0.98, 400)
    assert (round(low, 4), round(high, 4)) == (0.9610, 0.9898)
    assert wilson_ends(1.0, 50)[0] < 0.95 and wilson_ends(1.0, 50)[1] == 1.0
    said = str(Search(Choice("ivf", 5_000, 8, lists=20, probes=3), 0.98, 1_200, 400))
    assert said.endswith("recall 0.9800 [0.9610, 0.9898] of 1200 true neighbours of 400 sampled rows")

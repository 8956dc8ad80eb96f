"""Hamming pairs: exactly what comparing everything finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.dedup.hamming import hamming_pairs
from schemas.errors import ConfigError

WORD = st.integers(0, 2**64 - 1)


@st.composite
def _near_hashes(draw: st.DrawFn) -> list[int]:
    """A few centres, and copies of them with some bits flipped, so that pairs at every small distance occur."""
    centres = draw(st.lists(WORD, min_size=1, max_size=3))
    flips = st.lists(st.integers(0, 63), max_size=10)
    moved = draw(st.lists(st.tuples(st.sampled_from(centres), flips), max_size=30))
    return centres + [centre ^ sum(1 << bit for bit in set(bits)) for centre, bits in moved]


def _found(left: list[int], right: list[int] | None, distance: int, hold: int) -> list[tuple[int, int]]:
    table = None if right is None else np.array(right, dtype=np.uint64)
    blocks = hamming_pairs(np.array(left, dtype=np.uint64), table, distance, hold)
    return [pair for i, j in blocks for pair in zip(i.tolist(), j.tolist(), strict=True)]


@settings(max_examples=80, deadline=None)
@given(left=_near_hashes(), right=_near_hashes(), distance=st.integers(0, 11), hold=st.sampled_from([1, 7, 1 << 20]))
def test_every_pair_once_and_no_other(left: list[int], right: list[int], distance: int, hold: int) -> None:
    between = [(i, j) for i, a in enumerate(left) for j, b in enumerate(right) if (a ^ b).bit_count() <= distance]
    inside = [(i, j) for i, a in enumerate(left) for j, b in enumerate(left[:i]) if (a ^ b).bit_count() <= distance]
    assert sorted(_found(left, right, distance, hold)) == between
    assert sorted(_found(left, None, distance, hold)) == inside


def test_a_distance_that_defeats_the_buckets_is_refused() -> None:
    with pytest.raises(ConfigError, match="not 12"):
        _found([1, 2], None, 12, 1)

from math import comb

import numpy as np
import pytest

from filters.checks.significance import above_chance, below_base, benjamini_hochberg, lower_bound


def counts(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_above_chance_is_the_binomial_tail() -> None:
    p = above_chance(counts(8, 5, 0, 0), counts(8, 8, 8, 0), np.array([0.25, 0.25, 0.25, 0.25]))
    by_hand = sum(comb(8, i) * 0.25**i * 0.75 ** (8 - i) for i in range(5, 9))
    assert p.tolist() == pytest.approx([0.25**8, by_hand, 1.0, 1.0])
    assert by_hand == pytest.approx(0.02730, abs=1e-5)  # 5 of 8 at four options


def test_below_base_is_fishers_exact_test() -> None:
    # 1 of 4 after 4 of 4: of the C(8,4) = 70 ways to draw 4 of 8 with 5 right, C(5,1)*C(3,3) = 5 leave at most 1 right.
    p = below_base(counts(1, 4, 2), counts(4, 4, 0), counts(4, 4, 2), counts(4, 4, 2))
    assert p.tolist() == pytest.approx([5 / 70, 1.0, 1.0])


def test_lower_bound_solves_its_own_equation() -> None:
    low = lower_bound(counts(50, 49, 0), counts(50, 50, 50), 0.05)
    assert low[0] == pytest.approx(0.05 ** (1 / 50))
    tail = sum(comb(50, i) * low[1] ** i * (1 - low[1]) ** (50 - i) for i in (49, 50))
    assert tail == pytest.approx(0.05)
    assert low[2] == 0.0


def test_benjamini_hochberg_by_hand() -> None:
    # Sorted 0.01 0.02 0.04 0.5 times 4/rank: 0.04 0.04 0.0533 0.5.
    assert benjamini_hochberg(np.array([0.04, 0.01, 0.5, 0.02])).tolist() == pytest.approx([0.16 / 3, 0.04, 0.5, 0.04])
    assert benjamini_hochberg(np.array([])).tolist() == []

"""Intervals hold what they are about, rise with the count, and agree with published numbers."""

from itertools import combinations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.intervals import beta_interval, pass_at, wilson
from schemas.adaptive import BetaPrior

JEFFREYS = BetaPrior()
counts = st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def table(*pairs: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema={"k": pl.Int32, "n": pl.Int32}, orient="row")


def ends(method: str, k: int, n: int) -> tuple[float, float]:
    if method == "wilson":
        low, high = wilson(1.96)
        low_, high_ = table((k, n)).select(low.alias("low"), high.alias("high")).row(0)
    else:
        low_, high_ = beta_interval(table((k, n)), 0.95, JEFFREYS).select("beta_low", "beta_high").row(0)
    return low_, high_


def test_wilson_as_published() -> None:
    """Brown, Cai & DasGupta 2001: x = 0 of n gives [0, z²/(n+z²)]; 5 of 10 gives 0.2366 to 0.7634."""
    assert ends("wilson", 0, 10) == (pytest.approx(0, abs=1e-12), pytest.approx(1.96**2 / (10 + 1.96**2)))
    assert ends("wilson", 5, 10) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))


def test_jeffreys_as_published() -> None:
    """Brown, Cai & DasGupta 2001, table 5 (n = 7 to 30, 95 %): x = 1 of 10 gives 0.011 to 0.381, x = 0 gives 0 to 0.217."""
    assert ends("jeffreys", 1, 10) == (pytest.approx(0.011, abs=5e-4), pytest.approx(0.381, abs=5e-4))
    assert ends("jeffreys", 0, 10) == (0.0, pytest.approx(0.217, abs=5e-4))
    assert ends("jeffreys", 10, 10)[1] == 1.0


def test_the_posterior_mean() -> None:
    mean = beta_interval(table((3, 4)), 0.95, BetaPrior(right=1, wrong=1))["beta_mean"].item()
    assert mean == pytest.approx(4 / 6)


@pytest.mark.parametrize("method", ["wilson", "jeffreys"])
@given(pair=counts)
def test_an_interval_holds_its_rate_and_mirrors(method: str, pair: tuple[int, int]) -> None:
    k, n = pair
    low, high = ends(method, k, n)
    assert 0 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1
    other_low, other_high = ends(method, n - k, n)
    assert (other_low, other_high) == (pytest.approx(1 - high), pytest.approx(1 - low))


@pytest.mark.parametrize("method", ["wilson", "jeffreys"])
@given(pair=counts)
def test_one_more_right_answer_moves_both_ends_up(method: str, pair: tuple[int, int]) -> None:
    k, n = pair
    if k < n:
        assert all(a <= b + 1e-12 for a, b in zip(ends(method, k, n), ends(method, k + 1, n), strict=True))


@given(n=st.integers(1, 9), data=st.data())
def test_pass_at_is_the_mean_over_all_draws(n: int, data: st.DataObject) -> None:
    k, tries = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    answers = [True] * k + [False] * (n - k)
    draws = [any(draw) for draw in combinations(answers, tries)]
    assert table((k, n)).select(pass_at(tries)).item() == pytest.approx(sum(draws) / len(draws))


def test_pass_at_needs_as_many_rollouts() -> None:
    assert table((1, 3), (0, 0)).select(pass_at(4).alias("p"))["p"].to_list() == [None, None]

"""Stopping: foretold chances against literal sums, decisions by hand, and what they may depend on."""

from collections.abc import Sequence
from itertools import product
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.stopping import Outcome, StoppingRule, chances
from schemas.adaptive import AdaptiveConfig, BetaPrior

UNIFORM = BetaPrior(right=1, wrong=1)
said = st.lists(st.sampled_from(["right", "wrong", "unscored"]), min_size=16, max_size=16)


def rule(n: int = 16, **config: object) -> StoppingRule:
    return StoppingRule(n, AdaptiveConfig.model_validate(config))


def answers(text: str) -> list[Outcome]:
    """`+` right, `-` wrong, `?` unscored, `.` missing."""
    names = {"+": "right", "-": "wrong", "?": "unscored", ".": "missing"}
    return [cast(Outcome, names[c]) for c in text]


def test_the_chance_by_hand() -> None:
    """Uniform prior, 0 of 2 so far, 2 to come: P(X = 0) = 3·4/(4·5)·… = 3/5 by Laplace: 3/4 · 4/5."""
    table = chances(4, 1, 3, AdaptiveConfig(prior=UNIFORM))
    assert table[0, 2] == pytest.approx(1 - 3 / 4 * 4 / 5)
    assert table[1, 1] == pytest.approx(1)


def test_the_chance_is_the_sum_over_all_futures() -> None:
    """Every order of right and wrong answers, each step by the rule of succession of the prior."""
    n, low, high, config = 5, 2, 4, AdaptiveConfig(prior=BetaPrior(right=0.5, wrong=2))
    table = chances(n, low, high, config)
    for right, wrong in ((0, 0), (1, 1), (0, 3), (2, 0)):
        total = 0.0
        for future in product([True, False], repeat=n - right - wrong):
            k, w, mass = right, wrong, 1.0
            for hit in future:
                rate = (config.prior.right + k) / (config.prior.right + config.prior.wrong + k + w)
                mass, k, w = mass * (rate if hit else 1 - rate), k + hit, w + (not hit)
            total += mass * (low <= k <= high)
        assert table[right, wrong] == pytest.approx(total)


def test_the_rate_by_hand() -> None:
    """Uniform prior and nothing seen: the band 1/4 to 3/4 has half of the mass."""
    assert chances(4, 1, 3, AdaptiveConfig(rule="rate", prior=UNIFORM))[0, 0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "asked", "in_band", "stopped"),
    [
        ("+-..............", 2, True, "in_band"),
        ("---+............", 4, True, "in_band"),
        ("................", 2, None, "unanswered"),
        ("--..............", 3, None, "unanswered"),
        ("-.-.............", 2, None, "unanswered"),
        ("?+-.............", 3, True, "in_band"),
        ("????????????????", 16, False, "all_asked"),
    ],
)
def test_where_a_sample_stops(text: str, asked: int, in_band: bool | None, stopped: str) -> None:
    stop = rule(first=2, wave=1).walk(answers(text))
    assert (stop.asked, stop.in_band, stop.stopped) == (asked, in_band, stopped)


def test_all_wrong_stops_where_the_posterior_is_sure() -> None:
    """Jeffreys' prior: after m wrong ones, all 16 are wrong with chance Π (i+½)/(i+1), i = m … 15; above 0.9 from 13 on."""
    sure = rule().walk(answers("-" * 16))
    chance = 1.0
    for i in range(sure.asked, 16):
        chance *= (i + 0.5) / (i + 1)
    assert (sure.asked, sure.in_band, sure.stopped) == (13, False, "out_of_band")
    assert chance >= 0.9 > chance * (12 + 0.5) / (12 + 1)


def test_waves_look_now_and_then() -> None:
    assert rule(first=4, wave=4).looks == (4, 8, 12, 16)
    assert rule(n=10, first=4, wave=4).looks == (4, 8, 10)
    assert rule(n=1).looks == (1,)
    assert rule(first=4, wave=4).walk(answers("+-++" + "." * 12)).asked == 4


def test_a_band_ends_where_it_begins_or_later() -> None:
    with pytest.raises(ValidationError, match="least, greatest"):
        AdaptiveConfig(band=(3, 2))


@given(said)
def test_certainty_decides_as_all_answers_would(outcomes: Sequence[Outcome]) -> None:
    """With confidence 1 nothing is lost: the decision is that of all 16 answers."""
    for band in ((1, 15), (2, 14), (0, 8), (4, 12)):
        stop = rule(band=band, confidence=1, wave=1).walk(outcomes)
        k, w = outcomes.count("right"), outcomes.count("wrong")
        assert stop.in_band == (k >= band[0] and w >= 16 - band[1])


@given(said, st.sampled_from(["counts", "rate"]), st.integers(1, 8), st.integers(1, 8))
def test_what_comes_after_the_stop_does_not_matter(outcomes: list[Outcome], how: str, first: int, wave: int) -> None:
    """Nor does it matter whether it is there: more of a log gives the same decision."""
    asks = rule(rule=how, first=first, wave=wave, band=(2, 14))
    stop = asks.walk(outcomes)
    assert asks.walk([*outcomes[: stop.asked], *answers("." * (16 - stop.asked))]) == stop
    turned = [cast(Outcome, {"right": "wrong", "wrong": "right"}.get(s, s)) for s in outcomes[stop.asked :]]
    assert asks.walk([*outcomes[: stop.asked], *turned]) == stop
    assert stop.asked in asks.looks


@given(st.integers(1, 12), st.data())
def test_chances_mirror(n: int, data: st.DataObject) -> None:
    low = data.draw(st.integers(0, n))
    high = data.draw(st.integers(low, n))
    table = chances(n, low, high, AdaptiveConfig())
    mirror = chances(n, n - high, n - low, AdaptiveConfig())
    for right in range(n + 1):
        for wrong in range(n + 1 - right):
            assert table[right, wrong] == pytest.approx(mirror[wrong, right])
            assert -1e-9 <= table[right, wrong] <= 1 + 1e-9


@given(st.integers(1, 12))
def test_a_uniform_prior_makes_all_counts_equally_likely(n: int) -> None:
    table = chances(n, 1, 1, AdaptiveConfig(prior=UNIFORM))
    assert table[0, 0] == pytest.approx(1 / (n + 1))

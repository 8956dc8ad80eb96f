"""What hanging answers may waste together, asked about one at a time."""

from hypothesis import given
from hypothesis import strategies as st

from filters.verify.allowance import LEAST_S, REFILL, Allowance


@given(st.lists(st.floats(0.0, 5.0), max_size=200), st.floats(1.0, 60.0))
def test_together_they_waste_no_more_than_the_allowance_and_the_least_of_each(
    pauses: list[float], full_s: float
) -> None:
    now = wasted = 0.0
    allowance = Allowance(full_s, lambda: now)
    for pause in pauses:
        now += pause
        turn = allowance.turn_s(2.0)
        assert 0.0 < turn <= 2.0
        now, wasted = now + turn, wasted + turn
        allowance.waste(turn)
    assert wasted <= full_s + REFILL * now + LEAST_S * len(pauses) + 1e-6


def test_the_first_has_its_whole_budget_and_64_stay_below_a_batch() -> None:
    now = 0.0
    allowance = Allowance(20.0, lambda: now)
    turns = []
    for _ in range(64):
        turns.append(allowance.turn_s(2.0))
        now += turns[-1]
        allowance.waste(turns[-1])
    assert turns[:3] == [2.0, 2.0, 2.0] and turns[-1] < 0.3 and sum(turns) < 30.0


def test_time_that_passes_fills_it_again_and_a_clock_that_jumps_back_takes_nothing() -> None:
    now = 1000.0
    allowance = Allowance(20.0, lambda: now)
    allowance.waste(20.0)
    assert allowance.turn_s(2.0) == LEAST_S
    now = 900.0
    assert allowance.turn_s(2.0) == LEAST_S
    now = 1100.0
    assert allowance.turn_s(2.0) == 2.0

"""No second has more turns than the limit, whenever they are asked for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from generators.engines.openai.pace import Pace

TIMES = st.lists(st.floats(0, 100), min_size=1, max_size=50).map(sorted)


@given(asked=TIMES, limit=st.floats(0.01, 1000))
def test_turns_are_evenly_spaced_and_in_order(asked: list[float], limit: float) -> None:
    pace = Pace(limit)
    turns = [now + pace.wait(now) for now in asked]
    assert all(turn >= now for turn, now in zip(turns, asked, strict=True))
    assert all(after - before >= 0.999 / limit - 1e-9 for before, after in pairwise(turns))
    assert turns[-1] <= asked[-1] + (len(asked) - 1) / limit + 1e-6, "nobody waits for longer than that"


@given(asked=TIMES)
def test_without_a_limit_nobody_waits(asked: list[float]) -> None:
    pace = Pace(None)
    assert [pace.wait(now) for now in asked] == [0.0] * len(asked)

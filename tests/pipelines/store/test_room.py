"""Memory that threads share."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.store.room import Room


@given(st.integers(1, 100), st.lists(st.integers(0, 150), min_size=1, max_size=40))
def test_no_more_is_held_than_there_is_and_everybody_has_a_turn(size: int, wanted: list[int]) -> None:
    room, lock, held, most = Room(size), threading.Lock(), 0, 0

    def work(amount: int) -> None:
        nonlocal held, most
        with room(amount):
            with lock:
                held += min(amount, size)
                most = max(most, held)
            with lock:
                held -= min(amount, size)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, wanted))
    assert most <= size and held == 0


def test_what_was_held_is_given_back_after_a_failure() -> None:
    room = Room(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"), room(10):
            raise ValueError("no")

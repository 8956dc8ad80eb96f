import asyncio

import pytest

from generators.engines.indexes import seeded_runs
from generators.engines.openai.fleet import Fleet
from schemas.completion import Sampling
from schemas.errors import TransientEngineError


def test_the_least_loaded_server_is_chosen_and_benches_end() -> None:
    async def story() -> None:
        now = [0.0]
        fleet = Fleet(["http://a/v1", "http://b/v1"], 4, clock=lambda: now[0])
        a, b = fleet.servers
        async with fleet.room(3) as first, fleet.room(1) as second, fleet.room(1) as third:
            assert (first, second, third) == (a, b, b)
            assert (a.load, b.load) == (3, 2)
        assert (a.load, b.load) == (0, 0)
        fleet.bench(a, 10)
        async with fleet.room(1) as only:
            assert only is b
        fleet.bench(b, 5)
        with pytest.raises(TransientEngineError) as caught:
            async with fleet.room(1):
                pass
        assert caught.value.retry_after == 5
        now[0] = 6.0
        async with fleet.room(1) as back:
            assert back is b

    asyncio.run(story())


def test_a_request_larger_than_the_limit_waits_for_an_idle_server() -> None:
    async def story() -> list[str]:
        fleet = Fleet(["http://a/v1"], 4)
        order = []

        async def big() -> None:
            async with fleet.room(9):
                order.append("big")

        async with fleet.room(1):
            task = asyncio.create_task(big())
            await asyncio.sleep(0)
            order.append("small")
        await task
        return order

    assert asyncio.run(story()) == ["small", "big"]


def test_a_server_is_passed_over_twice_as_long_at_each_failure_in_a_row_and_is_trusted_again_when_it_answers() -> None:
    async def story() -> list[float]:
        now = [0.0]
        fleet = Fleet(["http://a/v1", "http://b/v1"], 8, clock=lambda: now[0])
        a, b = fleet.servers
        waits = []
        for _ in range(8):
            for _ in range(3):  # what was in flight is lost together, and is one failure
                fleet.bench(a)
            waits.append(a.benched_until - now[0])
            assert fleet.passes_over(a)
            now[0] = a.benched_until
        b.load = 8
        async with fleet.room(1) as server:
            assert server is a
        fleet.bench(a)
        return [*waits, a.benched_until - now[0]]

    assert asyncio.run(story()) == [0.5, 1, 2, 4, 8, 16, 30, 30, 0.5]


def test_what_was_asked_before_a_failure_does_not_end_the_row_of_failures() -> None:
    """A server that answers what it holds and refuses what is new is asked ever more rarely."""

    async def story() -> float:
        now = [0.0]
        fleet = Fleet(["http://a/v1", "http://b/v1"], 8, clock=lambda: now[0])
        a, _ = fleet.servers
        async with fleet.room(1) as server:
            assert server is a
            now[0] = 1.0
            fleet.bench(a)
        now[0] = a.benched_until
        fleet.bench(a)
        return a.benched_until - now[0]

    assert asyncio.run(story()) == 1.0


def test_a_server_that_kept_a_request_for_too_long_gets_one_at_a_time_until_it_answers() -> None:
    async def story() -> None:
        now = [0.0]
        fleet = Fleet(["http://a/v1", "http://b/v1"], 4, clock=lambda: now[0])
        a, b = fleet.servers
        fleet.bench(a, silent=True)
        now[0] = 1.0
        b.load = 2
        async with fleet.room(1) as first, fleet.room(1) as second, fleet.room(1) as third:
            assert (first, second, third) == (a, b, b)
        async with fleet.room(1) as fourth, fleet.room(1) as fifth:
            assert (fourth, fifth) == (a, a)

    asyncio.run(story())


def test_those_that_wait_for_room_get_it_in_their_order_and_nobody_else_is_woken() -> None:
    async def story() -> list[int]:
        fleet = Fleet(["http://a/v1", "http://b/v1"], 1)
        order, ends = [], [asyncio.Event() for _ in range(6)]

        async def ask(number: int) -> None:
            async with fleet.room(1):
                order.append(number)
                await ends[number].wait()

        tasks = [asyncio.create_task(ask(number)) for number in range(6)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        for number in (1, 0, 2, 4, 5):
            ends[number].set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [server.load for server in fleet.servers] == [0, 0]
        return order

    assert asyncio.run(story()) == [0, 1, 2, 4, 5]


def test_those_that_wait_are_asked_again_when_a_bench_ends() -> None:
    async def story() -> str:
        fleet = Fleet(["http://a/v1", "http://b/v1"], 1)
        a, b = fleet.servers
        fleet.bench(a, 0.01)
        async with fleet.room(1) as busy:
            assert busy is b
            async with asyncio.timeout(5), fleet.room(1) as back:
                return back.url

    assert asyncio.run(story()) == "http://a/v1"


def test_a_lone_server_is_never_benched() -> None:
    async def story() -> None:
        fleet = Fleet(["http://a/v1"], 4)
        fleet.bench(fleet.servers[0])
        async with fleet.room(1) as server:
            assert server is fleet.servers[0]

    asyncio.run(story())


def test_a_label_shows_no_password() -> None:
    fleet = Fleet(["https://me:secret@host:8000/v1?key=secret"], 1)
    assert fleet.servers[0].label == "https://host:8000/v1"


@pytest.mark.parametrize(
    ("sampling", "runs"),
    [
        (Sampling(), [([1, 2, 5], None)]),
        (Sampling(seed=10), [([1, 2], 11), ([5], 15)]),
        (Sampling(temperature=0, seed=10), [([1], 11)]),
        (Sampling(temperature=0), [([1], None)]),
    ],
)
def test_indexes_are_parted_by_what_a_seed_can_express(sampling: Sampling, runs: object) -> None:
    assert seeded_runs([5, 1, 2], sampling) == runs
    assert seeded_runs([], sampling) == []

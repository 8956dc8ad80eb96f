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

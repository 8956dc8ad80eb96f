import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.engines.ray.pool import Pool, Replica


def pool(*limits: int) -> Pool:
    made = Pool()
    for number, limit in enumerate(limits):
        made.add(Replica(number, limit))
    return made


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 20))


async def taken(held: AsyncExitStack, made: Pool, sequences: int, start: str = "", **how: Any) -> Replica:
    return await held.enter_async_context(made.room(sequences, start, **how))


def test_the_least_loaded_takes_the_next() -> None:
    async def test() -> None:
        made = pool(4, 8)
        async with AsyncExitStack() as held:
            took = [(await taken(held, made, 2, f"{i}")).actor for i in range(6)]
            assert sorted(took) == [0, 0, 1, 1, 1, 1]
            waiting = asyncio.create_task(taken(held, made, 1, "next"))
            await asyncio.sleep(0.01)
            assert not waiting.done()
            made.add(Replica(2, 1))
            assert (await waiting).actor == 2
        assert all(replica.load == 0 for replica in made.replicas)

    run(test())


def test_what_starts_alike_goes_to_one_replica_until_that_is_far_ahead() -> None:
    async def test() -> None:
        made = pool(8, 8)
        async with AsyncExitStack() as held:
            took = [(await taken(held, made, 1, "image")).actor for _ in range(8)]
            assert took[:3] == [took[0]] * 3  # the third is a quarter of the limit ahead
            assert abs(took.count(0) - took.count(1)) <= 3
            made.drop(made.replicas[took[-1]])
            assert (await taken(held, made, 1, "image")).actor != took[-1]

    run(test())


def test_alone_is_alone() -> None:
    async def test() -> None:
        made = pool(4)
        async with AsyncExitStack() as others, AsyncExitStack() as alone:
            await taken(others, made, 1)
            waiting = asyncio.create_task(taken(alone, made, 1, alone=True))
            await asyncio.sleep(0.01)
            later = asyncio.create_task(taken(others, made, 1))  # must not keep it from being alone
            await asyncio.sleep(0.01)
            assert not waiting.done()
            assert not later.done()
            await others.aclose()
            assert (await waiting).load == 1
            await asyncio.sleep(0.01)
            assert not later.done()
            await alone.aclose()
            await later
            assert not made.replicas[0].alone
            await others.aclose()

    run(test())


def test_a_pool_that_failed_says_so_to_all() -> None:
    async def test() -> None:
        made = pool()
        waiting = [asyncio.create_task(made.first()), asyncio.create_task(taken(AsyncExitStack(), made, 1))]
        await asyncio.sleep(0.01)
        made.fail(ValueError("gone"))
        made.fail(ValueError("later"))
        for task in waiting:
            with pytest.raises(ValueError, match="gone"):
                await task
        with pytest.raises(ValueError, match="gone"):
            await made.first()

    run(test())


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from("abc"), st.booleans()), max_size=40), st.integers(1, 4))
def test_no_replica_takes_more_than_its_limit_and_all_come_through(
    asked: list[tuple[int, str, bool]], replicas: int
) -> None:
    async def test() -> None:
        made, done = pool(*[8] * replicas), 0

        async def one(sequences: int, start: str, alone: bool) -> None:
            nonlocal done
            async with made.room(sequences, start, alone=alone) as replica:
                assert replica.load <= replica.limit or replica.load == sequences
                assert not alone or replica.load == sequences
                await asyncio.sleep(0)
                assert not alone or replica.load == sequences
            done += 1

        await asyncio.gather(*(one(*each) for each in asked))
        assert done == len(asked)
        assert all(not r.load and not r.alone for r in made.replicas)

    run(test())

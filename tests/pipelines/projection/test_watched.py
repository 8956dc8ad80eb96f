"""What a watched engine tells, and what it leaves as it is."""

import asyncio
from collections.abc import Sequence

import pytest

from pipelines.projection.watched import Watch
from schemas.completion import Completion, Message, ModelIdentity, Request
from schemas.engine import CacheUse, CountsCacheUse, Engine
from schemas.errors import TransientEngineError


class Counting:
    """Answers one sample of a call, refuses a prompt of `busy`, and counts what its cache held."""

    identity = ModelIdentity("m", "r", "t")
    concurrency = 7

    def __init__(self) -> None:
        self.up = False

    async def start(self) -> None:
        self.up = True

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        if request.messages[0].content == ("busy",):
            raise TransientEngineError("slow down")
        return [Completion(indexes[0], "text", "stop", 10, 20)]

    async def close(self) -> None:
        self.up = False

    def cache_use(self) -> CacheUse:
        return CacheUse(10, 5)


def test_every_call_is_noted_also_one_that_fails_and_the_engine_is_what_it_was() -> None:
    own, watch = Counting(), Watch()
    engine: Engine = watch("rollout", "model", own)
    assert isinstance(engine, Engine) and isinstance(engine, CountsCacheUse)
    assert (engine.identity, engine.concurrency, engine.cache_use()) == (own.identity, 7, CacheUse(10, 5))

    async def story() -> None:
        await engine.start()
        await engine.complete(Request("a", (Message("user", ("hello",)),)), [3, 4])
        with pytest.raises(TransientEngineError):
            await engine.complete(Request("b", (Message("user", ("busy",)),)), [0])
        await engine.close()

    asyncio.run(story())
    assert not own.up
    (asked,) = watch.asked
    assert (asked.step, asked.model, asked.window) == ("rollout", "model", 7)
    assert [(sequences, answers) for _, sequences, answers in asked.calls] == [(2, 1), (1, 0)]
    assert (asked.answers, asked.prompt_tokens, asked.completion_tokens) == (1, 10, 20)
    assert asked.wall_s > 0 and asked.cpu_s > 0


def test_a_count_that_a_server_does_not_give_is_unknown() -> None:
    class Silent(Counting):
        async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
            return [Completion(indexes[0], "text", "stop")]

    watch = Watch()
    engine = watch("rollout", "model", Silent())
    asyncio.run(engine.complete(Request("a", (Message("user", ("hello",)),)), [0]))
    assert (watch.asked[0].prompt_tokens, watch.asked[0].completion_tokens) == (None, None)

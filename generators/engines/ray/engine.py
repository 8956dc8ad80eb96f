"""The engine of many machines: replicas of another engine as actors on a Ray cluster, behind the one Protocol.

A request goes to the least loaded replica. What a replica held when it died is asked again, of another one, and nothing else
is; a request that was lost twice goes to a replica that holds nothing beside it, so that one that kills whoever answers
it is known for sure. Which replica answers, and how many there are, is no part of a completion's key.
"""

import asyncio
import time
from collections.abc import Hashable, Sequence
from typing import Any

from generators.engines.ray.actor import Answered, EngineActor, Make
from generators.engines.ray.cluster import connect, needs, no_room, nodes_of, own_signals, room
from generators.engines.ray.keeper import PERIOD_S, Keeper, cause_of
from generators.engines.ray.pool import Pool
from generators.engines.ray.sending import ImageSender
from generators.models import identify, pinned
from schemas.completion import Completion, ImagePart, Request
from schemas.engine import CacheUse, MediaReader, ModelConfig
from schemas.errors import (
    BUG,
    ConfigError,
    EngineDiedError,
    FatalEngineError,
    PermanentEngineError,
    TransientEngineError,
)
from schemas.replicas import RayConfig

ALONE = 2
"""Replicas that died with a request among others, after which it is asked alone; if that one dies too, it is refused."""

START = 512
"""Characters of a prompt by which its start is known."""


class RayEngine:
    """`schemas.engine.Engine` over actors. `config.concurrency` is the limit of each replica."""

    def __init__(self, config: ModelConfig, media: MediaReader, make: Make) -> None:
        """`make` gives the engine inside a replica, on its machine."""
        self.identity = identify(config)
        self._config = config
        self._ray = config.ray or RayConfig()
        self._media = media
        self._make = make
        self._pool = Pool()
        self._keeper: Keeper | None = None
        self._cache = CacheUse()

    @property
    def concurrency(self) -> int:
        """Sequences that the replicas take which are up now."""
        return self._pool.limit

    async def start(self) -> None:
        """Join the cluster and wait for a replica.

        Raises:
            MissingDependencyError: ray is not installed.
            ConfigError: the cluster is not reached or too small, or a replica cannot load the model.
            FatalEngineError: replicas die before they answer anything.
        """
        await self.close()
        await asyncio.to_thread(connect, self._ray)
        own_signals()
        need = await self._fits()
        self._pool, self._images = Pool(), ImageSender(self._media)

        async def capacity() -> int:
            return room(need, await nodes_of())

        self._keeper = Keeper(
            self._pool,
            self.identity,
            await self._maker(need),
            capacity,
            self._ray.replicas.min,
            self._ray.replicas.max,
            self._ray.wait_s,
        )
        try:
            await self._keeper.start()
        except BaseException:
            await self.close()
            raise

    async def _fits(self) -> dict[str, float]:
        """What a replica needs, once there is room for as many as must be. Raises ConfigError."""
        until = time.monotonic() + self._ray.wait_s
        while True:
            nodes = await nodes_of()
            need = needs(self._config, nodes)
            if room(need, nodes) >= self._ray.replicas.min:
                return need
            if time.monotonic() >= until:
                raise ConfigError(no_room(self._config.model, self._ray.replicas.min, need, nodes))
            await asyncio.sleep(PERIOD_S)

    async def _maker(self, need: dict[str, float]) -> Any:
        import ray

        inside = await asyncio.to_thread(pinned, self._config.replica)
        limits = {"max_restarts": 0, "max_task_retries": 0, "max_concurrency": max(1000, 2 * self._config.concurrency)}
        own = {name: amount for name, amount in need.items() if name not in ("CPU", "GPU") and amount > 0}
        asked: dict[str, Any] = {"num_cpus": need["CPU"], "num_gpus": need["GPU"], "resources": own}
        if self._ray.runtime_env:
            asked["runtime_env"] = self._ray.runtime_env
        actor = ray.remote(EngineActor).options(**asked, **limits)
        return lambda: actor.remote(inside, self._make)

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        """As the engine inside, by one replica.

        Raises:
            PermanentEngineError: also where it kills replicas.
            FatalEngineError: also where replicas die before they answer anything, or no machine is left for them.
        """
        keeper = self._keeper
        if keeper is None:
            raise EngineDiedError("the engine is closed")
        from ray.exceptions import RayError, RayTaskError

        images = await self._images.send(request.images)
        start, lost, indexes = start_of(request), 0, list(indexes)
        while True:
            async with self._pool.room(len(indexes), start, alone=lost >= ALONE) as replica:
                try:
                    found = await replica.actor.complete.remote(request, indexes, images)
                except RayTaskError as error:
                    if isinstance(error.cause, RayError):
                        raise TransientEngineError(f"a replica did not get an image: {cause_of(error.cause)}") from None
                    raise FatalEngineError(f"a replica failed: {cause_of(error)}. {BUG}") from error
                except RayError as error:
                    cause = cause_of(error)
                else:
                    if isinstance(found, Answered):
                        replica.answers += 1
                        self._cache = self._cache.plus(found.cache.since(replica.cache))
                        replica.cache = found.cache
                        return found.completions
                    if found.kind != "died":
                        replica.answers += 1
                        raise found.error
                    cause = found.message
                self._pool.drop(replica)
                keeper.end(replica.actor)
                if self._keeper is not keeper:
                    raise EngineDiedError("the engine is closed")
            lost += 1
            if lost > ALONE:
                raise PermanentEngineError(
                    f"{lost} replicas died while they answered this request, the last one with nothing beside it: {cause}"
                )

    def cache_use(self) -> CacheUse:
        """What the caches of all replicas held, as each last reported with an answer."""
        return self._cache

    async def close(self) -> None:
        """End the replicas. This process stays in the cluster, for the next model."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            self._pool.fail(EngineDiedError("the engine is closed"))
            await keeper.close()
            self._pool = Pool()


def start_of(request: Request) -> Hashable:
    """By what requests are known to start alike: their images and the beginning of their first texts."""
    texts = (part for m in request.messages for part in m.content if not isinstance(part, ImagePart))
    return request.images, next(texts, "")[:START], next(texts, "")[:START]

"""Keeps replicas up: asks Ray for as many as are wanted, puts those that are ready into the pool, and replaces the dead.

Ray places them. One for which there is no room yet waits there as a pending actor, so that a node that joins gets its
replicas at once (and an autoscaler sees what is wanted); those of a node that is removed wait for room elsewhere.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from generators.engines.ray.actor import Failure, Started
from generators.engines.ray.pool import Pool, Replica
from schemas.completion import ModelIdentity
from schemas.errors import BUG, ConfigError, CurateError, FatalEngineError

logger = logging.getLogger(__name__)

PERIOD_S = 2.0
"""How often it is looked how many replicas there is room for."""

EARLY = 3
"""Deaths in a row before any answer, after which a place is given up."""

PATIENCE_S = 60.0
"""Seconds without any replica on a machine, after which the build stops."""

CLOSE_S = 10.0
"""Seconds that a replica has to end by itself."""

NOTICE_S = 3.0
"""Seconds in which the end of a replica shows."""


class Keeper:
    """`create` asks Ray for an actor, `capacity` says how many there is room for; `most` None: so many are wanted."""

    def __init__(
        self,
        pool: Pool,
        identity: ModelIdentity,
        create: Callable[[], Any],
        capacity: Callable[[], Awaitable[int]],
        fewest: int,
        most: int | None,
        patience_s: float = 0.0,
    ) -> None:
        self._pool, self._identity, self._create, self._capacity = pool, identity, create, capacity
        self._fewest, self._most, self._patience_s = fewest, most, max(PATIENCE_S, patience_s)
        self._places: list[asyncio.Task[None]] = []
        self._waiting: set[asyncio.Task[None]] = set()  # those whose replica Ray has not placed yet
        self._actors: set[Any] = set()
        self._given_up = 0
        self._closing = False
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when the first replica is ready; the others join as they are. Raises CurateError where none comes up."""
        self._watching = asyncio.create_task(self._watch())
        await self._pool.first()

    async def close(self) -> None:
        """End all replicas."""
        self._closing = True
        tasks = list(self._places)
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_S):
                ready = [replica.actor for replica in self._pool.replicas]
                await asyncio.gather(*(actor.close.remote() for actor in ready), return_exceptions=True)
        if self._watching is not None:
            self._watching.cancel()
        for actor in list(self._actors):
            self.end(actor)
        if tasks:  # they notice that; a call of Ray's client that is cancelled is a traceback on the terminal
            await asyncio.wait(tasks, timeout=NOTICE_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def end(self, actor: Any) -> None:
        """Kill a replica, where it is not gone already; a new one then takes its place, unless this is closing."""
        import ray

        self._actors.discard(actor)
        with suppress(Exception):
            ray.kill(actor)

    async def _watch(self) -> None:
        placed_at = time.monotonic()
        while True:
            try:
                wanted = self._most if self._most is not None else max(self._fewest, await self._capacity())
            except Exception as error:  # the head is busy, or gone: those that are up answer on
                logger.info("Ray does not say which nodes there are: %s", error)
                wanted = len(self._places) + self._given_up
            self._places = [task for task in self._places if not task.done()]
            wanted -= self._given_up
            surplus = [task for task in self._places if task in self._waiting][: max(0, len(self._places) - wanted)]
            for task in surplus:
                task.cancel()
            self._places += [asyncio.create_task(self._place()) for _ in range(wanted - len(self._places))]
            if any(task not in self._waiting for task in self._places if not task.done()) or self._pool.replicas:
                placed_at = time.monotonic()
            elif time.monotonic() - placed_at > self._patience_s:
                self._pool.fail(
                    FatalEngineError(
                        f"the Ray cluster has had no room for a replica of '{self._identity.model}' for "
                        f"{self._patience_s:.0f} s: its nodes are gone, or others use them. Run the same command again "
                        "when there is room, or set ray.wait_s to wait longer."
                    )
                )
            await asyncio.sleep(PERIOD_S)

    async def _place(self) -> None:
        """Keep one replica up."""
        early = 0
        while not self._closing:
            replica, cause = None, ""
            try:
                replica, cause = await self._one()
            except CurateError as error:
                self._pool.fail(error)
                return
            except Exception as error:
                self._pool.fail(FatalEngineError(f"a replica failed: {cause_of(error)}. {BUG}"))
                raise
            if self._closing:
                return
            early = 0 if replica is not None and replica.answers else early + 1
            logger.warning("a replica of %s is lost: %s", self._identity.model, cause)
            if early >= EARLY:
                self._give_up(cause)
                return
            await asyncio.sleep(2.0**early - 1)

    async def _one(self) -> tuple[Replica | None, str]:
        """One replica, from the moment it is asked for to its end; the replica, if it was ever ready, and why it ended.

        Raises CurateError for what no other replica would do better.
        """
        from ray.exceptions import RayError

        task, replica = asyncio.current_task(), None
        assert task is not None
        try:
            actor = self._create()
        except Exception as error:  # from a client, a package that the cluster lacks shows here already
            raise ConfigError(f"Ray does not take a replica: {type(error).__name__}: {cause_of(error)}") from error
        self._actors.add(actor)
        self._waiting.add(task)
        try:
            where = await actor.node.remote()
            self._waiting.discard(task)
            started = await actor.start.remote()
            if isinstance(started, Failure):
                if started.kind == "died":
                    return None, started.message
                raise type(started.error)(f"on the node {where}: {started.message}")
            self._check(started, where)
            replica = Replica(actor, started.concurrency)
            self._pool.add(replica)
            await actor.live.remote()
        except RayError as error:
            if (cause := cause_of(error)).startswith("ModuleNotFoundError"):
                raise ConfigError(
                    f"a worker of the Ray cluster lacks a package ({cause}). Install the same curate-multimodal on every "
                    "node, or name it under ray.runtime_env."
                ) from error
            return replica, cause
        finally:
            self._waiting.discard(task)
            if replica is not None:
                self._pool.drop(replica)
            self.end(actor)
        return replica, "it ended"

    def _check(self, started: Started, where: str) -> None:
        """Raise ConfigError where a node has other weights: its answers would be logged as those of this model."""
        if started.identity != self._identity:
            raise ConfigError(
                f"on the node {where} the model '{self._identity.model}' is another than here (revision "
                f"{started.identity.revision}, chat template {started.identity.template[:12]}; here "
                f"{self._identity.revision}, {self._identity.template[:12]}). Put the same files there, or name a "
                "commit as revision."
            )

    def _give_up(self, cause: str) -> None:
        self._given_up += 1
        left = [task for task in self._places if not task.done() and task is not asyncio.current_task()]
        if len(left) < self._fewest:
            self._pool.fail(
                FatalEngineError(
                    f"a replica of '{self._identity.model}' died {EARLY} times in a row before it answered anything, the "
                    f"last time with: {cause}"
                )
            )


def cause_of(error: BaseException) -> str:
    """What Ray says of a lost replica, in one line."""
    lines: Sequence[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any("all references to the actor were removed" in line for line in lines):
        return "Ray cancelled it before it ran: the cluster and this process must have the same RAY_AUTH_MODE"
    dead = next((line for line in lines if line.startswith("The actor is dead because")), lines[-1] if lines else "")
    return dead.partition(" Some common causes include")[0][:300] or type(error).__name__

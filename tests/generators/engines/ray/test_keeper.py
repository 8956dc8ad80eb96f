"""The keeper over actors of this process, which are placed, start and die as a test says."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from generators.engines.ray import keeper as keeper_module
from generators.engines.ray.actor import Failure, Started
from generators.engines.ray.keeper import Keeper, cause_of
from generators.engines.ray.pool import Pool
from schemas.completion import ModelIdentity
from schemas.errors import ConfigError, FatalEngineError

IDENTITY = ModelIdentity("m", "1", "t")


class Method:
    def __init__(self, function: Any) -> None:
        self.remote = function


class Actor:
    """Placed where the cluster has room; `dead` ends it."""

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster, self.dead, self.closed = cluster, asyncio.Event(), False
        self.node, self.start = Method(self._node), Method(self._start)
        self.live, self.close = Method(self._live), Method(self._close)

    async def _node(self) -> str:
        while len(self.cluster.placed) >= self.cluster.room:
            await asyncio.sleep(0.001)
            if self.dead.is_set():
                raise ActorDiedError()
        self.cluster.placed.append(self)
        return "10.0.0.1"

    async def _start(self) -> Any:
        if self.cluster.dying > 0:
            self.cluster.dying -= 1
            raise ActorDiedError()
        return self.cluster.starts

    async def _live(self) -> None:
        await self.dead.wait()
        raise ActorDiedError()

    async def _close(self) -> None:
        self.closed = True


class Cluster:
    def __init__(self, room: int) -> None:
        self.room, self.placed, self.made = room, list[Actor](), list[Actor]()
        self.dying = 0
        self.starts: Any = Started(IDENTITY, 4)

    def create(self) -> Actor:
        self.made.append(Actor(self))
        return self.made[-1]

    async def capacity(self) -> int:
        return self.room

    def kill(self, actor: Actor) -> None:
        actor.dead.set()
        if actor in self.placed:
            self.placed.remove(actor)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "PERIOD_S", 0.002)
    sleep = asyncio.sleep
    monkeypatch.setattr(keeper_module.asyncio, "sleep", lambda seconds: sleep(min(seconds, 0.002)))


def keep(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, fewest: int = 1, most: int | None = None
) -> tuple[Pool, Any]:
    pool = Pool()
    monkeypatch.setattr("ray.kill", cluster.kill)
    return pool, Keeper(pool, IDENTITY, cluster.create, cluster.capacity, fewest, most)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(("most", "counts"), [(None, (2, 5, 1)), (3, (2, 3, 1))])
def test_as_many_as_there_is_room_for_and_at_most_so_many(
    monkeypatch: pytest.MonkeyPatch, most: int | None, counts: tuple[int, int, int]
) -> None:
    async def test() -> None:
        cluster = Cluster(2)
        pool, keeper = keep(cluster, monkeypatch, most=most)
        await keeper.start()
        await until(lambda: len(pool.replicas) == counts[0])
        cluster.room = 5  # nodes join
        await until(lambda: len(pool.replicas) == counts[1])
        cluster.room = 1  # and leave
        for actor in list(cluster.placed)[1:]:
            cluster.kill(actor)
        await until(lambda: len(pool.replicas) == counts[2])
        left = [replica.actor for replica in pool.replicas]
        await keeper.close()
        assert all(actor.closed for actor in left)
        assert cluster.placed == []
        assert all(actor.dead.is_set() for actor in cluster.made)

    run(test())


def test_one_place_that_is_given_up_stops_no_fleet_that_is_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        cluster = Cluster(2)
        pool, keeper = keep(cluster, monkeypatch, fewest=1, most=2)
        await keeper.start()
        await until(lambda: len(pool.replicas) == 2)
        cluster.dying = 10**6
        cluster.kill(pool.replicas[0].actor)
        await until(lambda: len(pool.replicas) == 1)
        await until(lambda: keeper._given_up == 1)
        await pool.first()
        cluster.kill(pool.replicas[0].actor)
        with pytest.raises(
            FatalEngineError, match="a replica of 'm' died 3 times in a row before it answered anything"
        ):
            await pool.first()
            await until(lambda: not pool.replicas)
            await pool.first()
        await keeper.close()

    run(test())


@pytest.mark.parametrize(
    ("starts", "sentence"),
    [
        (Failure("config", "no such weights"), r"on the node 10.0.0.1: no such weights"),
        (
            Started(ModelIdentity("m", "2", "t"), 4),
            r"on the node 10.0.0.1 the model 'm' is another than here \(revision 2",
        ),
    ],
)
def test_what_no_replica_does_better_ends_it(monkeypatch: pytest.MonkeyPatch, starts: Any, sentence: str) -> None:
    async def test() -> None:
        cluster = Cluster(2)
        cluster.starts = starts
        _, keeper = keep(cluster, monkeypatch)
        with pytest.raises(ConfigError, match=sentence):
            await keeper.start()
        await keeper.close()

    run(test())


def test_an_actor_that_ray_refuses_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        cluster = Cluster(1)

        def refuse() -> Actor:
            raise ModuleNotFoundError("No module named 'generators'")

        monkeypatch.setattr(cluster, "create", refuse)
        _, keeper = keep(cluster, monkeypatch)
        with pytest.raises(
            ConfigError, match="Ray does not take a replica: ModuleNotFoundError: No module named 'generators'"
        ):
            await keeper.start()
        await keeper.close()

    run(test())


def test_a_cluster_that_never_has_room_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr(keeper_module, "PATIENCE_S", 0.05)
        _, keeper = keep(Cluster(0), monkeypatch)
        with pytest.raises(FatalEngineError, match="has had no room for a replica of 'm' for"):
            await keeper.start()
        await keeper.close()

    run(test())


def test_a_cause_is_one_line() -> None:
    text = (
        "The actor died.\n\tpid: 3\nThe actor is dead because its worker process died. Some common causes include: (1)"
    )
    assert cause_of(RuntimeError(text)) == "The actor is dead because its worker process died."
    assert cause_of(RuntimeError("Traceback\n  File\nModuleNotFoundError: No module named 'x'")).startswith(
        "ModuleNotFound"
    )
    cancelled = "The actor is dead because all references to the actor were removed including lineage ref count."
    assert "must have the same RAY_AUTH_MODE" in cause_of(RuntimeError(cancelled))
    assert cause_of(RuntimeError()) == "RuntimeError"

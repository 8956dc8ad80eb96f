"""The engine on a real cluster of two nodes, with scripted engines in its replicas that die when they are asked to."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_replica import ScriptedReplica

from generators.engines.ray.engine import RayEngine
from schemas.completion import Completion, Request
from schemas.engine import ModelConfig
from schemas.errors import (
    ConfigError,
    EngineDiedError,
    FatalEngineError,
    MediaError,
    PermanentEngineError,
    TransientEngineError,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]

Ask = Callable[..., Request]


@pytest.fixture
def start(ray_cluster: Any, run: Any, media: Any, tmp_path: Path) -> Iterator[Callable[..., RayEngine]]:
    made = []

    def begin(concurrency: int = 4, **section: Any) -> RayEngine:
        config = {"model": "reference-vlm", "engine": "ray", "concurrency": concurrency, "ray": section}
        engine = RayEngine(
            ModelConfig.model_validate({**config, "args": {"download_dir": str(tmp_path)}}), media, ScriptedReplica
        )
        made.append(engine)
        run(engine.start())
        return engine

    yield begin
    for engine in made:
        run(engine.close())


def asked(folder: Path) -> list[tuple[int, str]]:
    """What replicas were asked: process and text."""
    lines = (folder / "asked").read_text().splitlines() if (folder / "asked").exists() else []
    return [(int(line.split(" ", 1)[0]), line.split(" ", 1)[1]) for line in lines]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def together(engine: RayEngine, requests: list[Request]) -> list[Any]:
    return await asyncio.gather(*(engine.complete(r, [0]) for r in requests), return_exceptions=True)


def test_replicas_share_the_load_and_get_images_and_errors_come_home(
    start: Any, run: Any, ask: Ask, media: Any, tmp_path: Path
) -> None:
    engine = start(replicas=2)
    run(until(lambda: engine.concurrency == 8))
    found = run(together(engine, [ask(f"slow {i}") for i in range(8)]))
    assert [one[0].text for one in found] == [f"slow {i} [] 0" for i in range(8)]
    assert sorted(Counter(pid for pid, _ in asked(tmp_path)).values()) == [4, 4]
    assert engine.cache_use() == (16, 8, 0, 0)
    sizes = [len(media.read(sha)) for sha in (media.red, media.broken)]
    for sha, size in zip((media.red, media.broken), sizes, strict=True):
        (one, two) = run(engine.complete(ask("see", sha), [3, 5]))
        assert (one, two.text) == (Completion(3, f"see [{size}] 3", "stop", 1, 1), f"see [{size}] 5")
    with pytest.raises(PermanentEngineError, match="refused there"):
        run(engine.complete(ask("refuse"), [0]))
    with pytest.raises(TransientEngineError, match="not now") as caught:
        run(engine.complete(ask("later"), [0]))
    assert caught.value.retry_after == 7.5
    with pytest.raises(MediaError):
        run(engine.complete(ask("see", "0" * 32), [0]))


def test_what_a_dead_replica_held_is_asked_again_and_nothing_else(
    start: Any, run: Any, ask: Ask, tmp_path: Path
) -> None:
    engine = start(replicas=2)
    run(until(lambda: engine.concurrency == 8))
    run(together(engine, [ask(f"early {i}") for i in range(6)]))
    found = run(together(engine, [ask(f"slow {i}") for i in range(7)] + [ask("die once")]))
    assert [one[0].text for one in found] == [f"slow {i} [] 0" for i in range(7)] + ["die once [] 0"]
    times = Counter(text for _, text in asked(tmp_path))
    assert times["die once"] == 2
    assert all(times[f"early {i}"] == 1 for i in range(6))
    assert max(times.values()) == 2
    assert sum(times[f"slow {i}"] - 1 for i in range(7)) <= 3  # those beside it, of a limit of four
    run(until(lambda: engine.concurrency == 8))  # another one took its place


def test_a_request_that_kills_whoever_answers_it_is_refused_once_that_is_sure(
    start: Any, run: Any, ask: Ask, tmp_path: Path
) -> None:
    engine = start(replicas=2)
    requests = [ask(f"slow {i}") for i in range(9)] + [ask("die")]
    found = run(together(engine, requests))
    assert [one[0].text for one in found[:9]] == [f"slow {i} [] 0" for i in range(9)]
    assert isinstance(found[9], PermanentEngineError)
    assert "3 replicas died while they answered this request" in str(found[9])
    assert Counter(text for _, text in asked(tmp_path))["die"] == 3


def test_a_killed_process_is_noticed_while_nobody_asks(start: Any, run: Any, ask: Ask, tmp_path: Path) -> None:
    engine = start(replicas=2)
    run(until(lambda: engine.concurrency == 8))
    run(together(engine, [ask(f"slow {i}") for i in range(8)]))
    pids = {pid for pid, _ in asked(tmp_path)}
    os.kill(min(pids), signal.SIGKILL)
    run(until(lambda: engine.concurrency == 4))
    run(until(lambda: engine.concurrency == 8))
    run(together(engine, [ask(f"slow again {i}") for i in range(8)]))
    assert len({pid for pid, _ in asked(tmp_path)} - pids) == 1


def test_replicas_that_die_before_they_answer_stop_the_build(start: Any, tmp_path: Path) -> None:
    (tmp_path / "dies at start").touch()
    with pytest.raises(
        FatalEngineError, match="died 3 times in a row before it answered anything, the last time with: The"
    ):
        start(replicas=1)


def test_what_no_replica_can_load_is_one_sentence(start: Any, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(ConfigError, match=r"on the node [\d.]+: no such weights"):
        start()


def test_more_than_the_cluster_has_is_one_sentence(start: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"wants 3 replicas of 1 CPU each, and the Ray cluster has room for 2 \(2 CPU "
    ):
        start(replicas=3)
    with pytest.raises(
        ConfigError, match="wants 1 replica of 1 CPU and 2 GPU each, and the Ray cluster has room for 0"
    ):
        start(num_gpus=2)


def test_a_closed_engine_answers_nothing_and_starts_again(start: Any, run: Any, ask: Ask) -> None:
    engine = start()
    run(engine.close())
    with pytest.raises(EngineDiedError):
        run(engine.complete(ask("closed"), [0]))
    run(engine.start())
    assert run(engine.complete(ask("open"), [0]))[0].text == "open [] 0"


def test_nodes_come_and_go(start: Any, ray_cluster: Any, run: Any, ask: Ask, tmp_path: Path) -> None:
    """The last test: it changes the cluster."""
    engine = start(replicas={"min": 1, "max": 3})
    run(until(lambda: engine.concurrency == 8))
    node = ray_cluster.add_node(num_cpus=1)
    run(until(lambda: engine.concurrency == 12))

    async def lose_it() -> list[Any]:
        asking = asyncio.create_task(together(engine, [ask(f"slow {i}") for i in range(60)]))
        await asyncio.sleep(0.7)
        await asyncio.to_thread(ray_cluster.remove_node, node)
        return await asking

    found = run(lose_it())
    assert [one[0].text for one in found] == [f"slow {i} [] 0" for i in range(60)]
    times = Counter(text for _, text in asked(tmp_path))
    assert sum(times.values()) - 60 <= 4
    run(until(lambda: engine.concurrency == 8))

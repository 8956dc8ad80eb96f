import asyncio
from pathlib import Path
from typing import Any

import pytest

from generators.engines.ray.actor import Answered, EngineActor, Failure, SentImages, Started
from schemas.completion import Message, Request
from schemas.engine import ModelConfig
from schemas.errors import (
    ConfigError,
    CurateError,
    EngineDiedError,
    FatalEngineError,
    MediaError,
    MissingDependencyError,
    PermanentEngineError,
    StepError,
    TransientEngineError,
)


@pytest.mark.parametrize(
    ("error", "arrives"),
    [
        (TransientEngineError("busy", 3.0), TransientEngineError),
        (PermanentEngineError("refused"), PermanentEngineError),
        (FatalEngineError("wrong key"), FatalEngineError),
        (EngineDiedError("gone"), EngineDiedError),
        (MissingDependencyError("torch", "cpu", "engine: auto"), ConfigError),
        (MediaError("damaged", "0" * 32), FatalEngineError),
        (StepError("odd"), FatalEngineError),
    ],
)
def test_errors_arrive_as_what_they_mean_to_the_driver(error: CurateError, arrives: type[CurateError]) -> None:
    import pickle

    found = pickle.loads(pickle.dumps(Failure.of(error))).error
    assert type(found) is arrives
    assert str(found) == str(error)
    assert getattr(found, "retry_after", None) == getattr(error, "retry_after", None)


def test_images_are_there_while_a_request_holds_them() -> None:
    images = SentImages()
    with images.hold([("a", 1), ("b", 2)]):
        with images.hold([("a", 3)]):
            pass
        assert images._held == {"a": [1], "b": [2]}
    assert images._held == {}
    for read in (images.read, images.path):
        with pytest.raises(MediaError):
            read("a")


def test_an_actor_that_cannot_load_says_why(tmp_path: Path) -> None:
    def refuse(config: ModelConfig, media: Any) -> Any:
        raise ConfigError("no such weights")

    async def test() -> None:
        actor = EngineActor(ModelConfig(model="m"), refuse)
        assert await actor.start() == Failure("config", "no such weights")
        request = Request("1", (Message("user", ("?",)),))
        assert await actor.complete(request, [0], []) == Failure("died", "the engine is not there")
        await actor.close()

    asyncio.run(test())


def test_an_actor_answers_with_its_engine(tmp_path: Path) -> None:
    from scripted_replica import ScriptedReplica

    async def test() -> None:
        actor = EngineActor(ModelConfig(model="reference-vlm", args={"download_dir": str(tmp_path)}), ScriptedReplica)
        started = await actor.start()
        assert isinstance(started, Started)
        assert started.concurrency == 64
        found = await actor.complete(Request("1", (Message("user", ("hello",)),)), [2], [])
        assert isinstance(found, Answered)
        assert [one.text for one in found.completions] == ["hello [] 2"]
        assert found.cache == (2, 1, 0, 0)
        await actor.close()

    asyncio.run(test())

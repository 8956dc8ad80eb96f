"""What runs in each replica: an engine behind an actor. Errors go home as values, for most exceptions of ours cannot be
pickled and Ray would add a traceback of its own."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from schemas.completion import Completion, ModelIdentity, Request
from schemas.engine import CacheUse, CountsCacheUse, Engine, MediaReader, ModelConfig
from schemas.errors import (
    ConfigError,
    CurateError,
    EngineDiedError,
    FatalEngineError,
    MediaError,
    PermanentEngineError,
    TransientEngineError,
)

Make = Callable[[ModelConfig, MediaReader], Engine]
Kind = Literal["transient", "permanent", "fatal", "died", "config"]

_KINDS: tuple[tuple[type[CurateError], Kind], ...] = (
    (TransientEngineError, "transient"),
    (PermanentEngineError, "permanent"),
    (EngineDiedError, "died"),
    (ConfigError, "config"),
    (CurateError, "fatal"),
)
_ERRORS: dict[Kind, type[CurateError]] = {
    "permanent": PermanentEngineError,
    "fatal": FatalEngineError,
    "died": EngineDiedError,
    "config": ConfigError,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of `schemas.errors` on its way."""

    kind: Kind
    message: str
    retry_after: float | None = None

    @classmethod
    def of(cls, error: CurateError) -> "Failure":
        kind = next(kind for type_, kind in _KINDS if isinstance(error, type_))
        return cls(kind, str(error), getattr(error, "retry_after", None))

    @property
    def error(self) -> CurateError:
        if self.kind == "transient":
            return TransientEngineError(self.message, self.retry_after)
        return _ERRORS[self.kind](self.message)


@dataclass(frozen=True, slots=True)
class Started:
    """A replica that is ready: which model it has, and how many sequences it takes at once."""

    identity: ModelIdentity
    concurrency: int


@dataclass(frozen=True, slots=True)
class Answered:
    """Completions, and what the engine's caches have held since it started."""

    completions: list[Completion]
    cache: CacheUse


class SentImages:
    """`schemas.engine.MediaReader` over images that lie in Ray's object store while a request needs them."""

    def __init__(self) -> None:
        self._held: dict[str, list[Any]] = {}

    @contextmanager
    def hold(self, images: Sequence[tuple[str, Any]]) -> Iterator[None]:
        """Keep references (by the images' hashes) while the block runs."""
        for sha256, reference in images:
            self._held.setdefault(sha256, []).append(reference)
        try:
            yield
        finally:
            for sha256, _ in images:
                self._held[sha256].pop()
                if not self._held[sha256]:
                    del self._held[sha256]

    def path(self, sha256: str) -> Path:
        raise MediaError(f"image {sha256} has no file here: it came from another machine", sha256)

    def read(self, sha256: str) -> bytes:
        """The bytes, fetched to this node once. Not on an event loop: it waits."""
        import ray

        held = self._held.get(sha256)
        if not held:
            raise MediaError(f"image {sha256} did not come with its request", sha256)
        data: bytes = ray.get(held[-1])
        return data


class EngineActor:
    """An engine, and what its driver asks of it. All methods may run at once on the actor's event loop."""

    def __init__(self, config: ModelConfig, make: Make) -> None:
        self._config = config
        self._make = make
        self._images = SentImages()
        self._engine: Engine | None = None

    async def node(self) -> str:
        """The address of the machine that Ray has placed it on."""
        import ray

        return str(ray.util.get_node_ip_address())

    async def start(self) -> Started | Failure:
        """Load the model."""
        try:
            engine = self._make(self._config, self._images)
            await engine.start()
        except CurateError as error:
            return Failure.of(error)
        self._engine = engine
        return Started(engine.identity, engine.concurrency)

    async def complete(
        self, request: Request, indexes: Sequence[int], images: Sequence[tuple[str, Any]]
    ) -> Answered | Failure:
        """As `Engine.complete`. `images`: their hashes, and references to their bytes."""
        if self._engine is None:
            return Failure("died", "the engine is not there")
        try:
            with self._images.hold(images):
                found = await self._engine.complete(request, indexes)
        except CurateError as error:
            return Failure.of(error)
        return Answered(found, self._engine.cache_use() if isinstance(self._engine, CountsCacheUse) else CacheUse())

    async def live(self) -> None:
        """Never returns: who waits for it notices at once when the replica is gone."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

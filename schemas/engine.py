"""The Protocols of models, and the recipe section that names one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from schemas.completion import Completion, ConstraintKind, ModelIdentity, Request
from schemas.replicas import RayConfig
from schemas.section import Section

EngineName = Literal["auto", "transformers", "vllm", "openai", "ray"]


class ModelConfig(Section):
    """One model of a recipe: which weights, behind which engine."""

    model: str = Field(description="hub id, local folder, or the name of an embedded model")
    engine: EngineName = "auto"
    revision: str | None = Field(
        default=None, description="hub commit, tag or branch; for a server, any text that names its weights"
    )
    base_urls: tuple[str, ...] = Field(default=(), description="openai: one URL a server, each ending in /v1")
    api_key_env: str = Field(
        default="OPENAI_API_KEY", description="openai: the environment variable that holds the key"
    )
    headers_env: dict[str, str] = Field(
        default_factory=dict,
        description="openai: further headers, each by the environment variable that holds it: {X-Key: CURATE_LAB_KEY}",
    )
    concurrency: int = Field(default=64, ge=1, description="sequences in flight (openai: a server; ray: a replica)")
    requests_per_second: float | None = Field(
        default=None,
        gt=0,
        description="openai: requests a second at most, to all its servers together, evenly spaced; null: no limit",
    )
    timeout_s: float = Field(default=600.0, gt=0, description="openai: seconds for one request, all of it")
    price_in: float = Field(default=0.0, ge=0, description="US dollars a million prompt tokens")
    price_out: float = Field(default=0.0, ge=0, description="US dollars a million completion tokens")
    thinking: bool | None = Field(
        default=None,
        description="whether it thinks before it answers: then its replies are held to no form. By default what its chat "
        "template and name say",
    )
    structured: tuple[ConstraintKind, ...] | None = Field(
        default=None,
        description="forms that replies can be held to: by default all with a local engine, and json with openai; a vLLM "
        "server also takes choice and regex; [] holds replies to none",
    )
    args: dict[str, Any] = Field(default_factory=dict, description="passed to the engine's library as they are")
    ray: RayConfig | None = Field(default=None, description="ray: replicas, where they run and what each of them takes")

    @model_validator(mode="after")
    def _of_engine(self) -> Self:
        if self.ray is not None and self.engine != "ray":
            raise ValueError(f"ray: only engine: ray has replicas, and this is engine: {self.engine}; take it out")
        if self.requests_per_second is not None and self.engine not in ("openai", "auto"):
            raise ValueError(
                f"requests_per_second: only servers get requests, and this is engine: {self.engine}; take it out"
            )
        return self

    @field_validator("args")
    @classmethod
    def _whole_gpus(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"):
            size = given.get(name)
            if size is not None and (type(size) is not int or size < 1):
                raise ValueError(f"{name} is how many GPUs work together: a whole number from 1 on, not {size!r:.80}")
        return given

    @property
    def replica(self) -> "ModelConfig":
        """What one replica runs: the same model by the engine inside. A model without replicas is its own."""
        if self.engine != "ray":
            return self
        return self.model_copy(update={"engine": (self.ray or RayConfig()).engine, "ray": None})


class MediaReader(Protocol):
    """Read access to stored media, by content hash. Both raise MediaError for what is not there, `read` for damage too."""

    def path(self, sha256: str) -> Path: ...

    def read(self, sha256: str) -> bytes: ...


@runtime_checkable
class Engine(Protocol):
    """A model that answers requests.

    `complete` may be called many times at once from one event loop; the driver keeps up to `concurrency` sequences in
    flight, which may change while it runs. It returns completions for the wanted indexes, in any order, or for some of
    them: an answer is given back even where its siblings failed, and the driver asks for what is left out, one sample a
    call. Where it has none it raises one of the errors of `schemas.errors`: transient (ask again), permanent (refused),
    fatal (stop), died (restart).
    """

    identity: ModelIdentity

    @property
    def concurrency(self) -> int: ...

    async def start(self) -> None:
        """Load the model or reach the server. Called once before the first request, and again after a death."""
        ...

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]: ...

    async def close(self) -> None: ...


class CacheUse(NamedTuple):
    """What an engine was asked to read, and what of it it had read before: tokens of prompts, and images that were encoded.

    Whoever does not count images (a server) leaves them at 0, and so does one that counts nothing.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    images: int = 0
    cached_images: int = 0

    def plus(self, other: Self) -> "CacheUse":
        return CacheUse(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def since(self, earlier: Self) -> "CacheUse":
        return CacheUse(*(now - then for now, then in zip(self, earlier, strict=True)))


@runtime_checkable
class CountsCacheUse(Protocol):
    """An engine that counts what its caches held."""

    def cache_use(self) -> CacheUse:
        """Since it was made, restarts included."""
        ...


class Encoder(Protocol):
    """Turns texts or images into L2-normalised vectors. `identity` keys its log."""

    identity: ModelIdentity
    dim: int

    def encode(self, items: Sequence[Any]) -> npt.NDArray[np.float32]:
        """`(len(items), dim)`, float32, rows of length one."""
        ...

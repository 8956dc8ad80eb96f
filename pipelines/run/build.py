"""One recipe in one workspace, being built: what its steps may use."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

from pipelines.ingest.ingest import IngestConfig
from pipelines.run.driver_config import DriverConfig
from pipelines.run.receipt import Receipt
from pipelines.run.shards import Shards, Sharing
from pipelines.sources.source import Source
from pipelines.store.completions import CompletionsLog
from pipelines.store.media import MediaStore
from pipelines.store.memory import LEAST, Memory
from pipelines.store.prompts import PromptsLog
from pipelines.store.workspace import Workspace
from schemas.completion import ModelIdentity
from schemas.engine import Engine, ModelConfig

Progress = Callable[[str, Receipt], None]
"""Called with a step's name and its receipt while models answer, or rows go through it."""


class Recipe(Protocol):
    """What a build takes from a recipe beside its steps."""

    @property
    def name(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def models(self) -> Mapping[str, ModelConfig]: ...
    @property
    def driver(self) -> DriverConfig: ...
    @property
    def sources(self) -> tuple[Source, ...]: ...
    @property
    def ingest(self) -> IngestConfig: ...

    def to_json(self) -> dict[str, Any]:
        """All that decides a release, for its manifest: no folder, server or key of this machine."""


@dataclass(frozen=True)
class Build:
    """One build of a recipe."""

    recipe: Recipe
    workspace: Workspace
    progress: Progress = lambda step, receipt: None
    replay: bool = False
    retry_errors: bool = False
    buckets: int | None = None
    """How many buckets there are; None: as many as the samples need. The rows are the same for any number."""
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Stands for this build in the failures log, in all its steps and in all tries of them; part of no table."""
    reopen: Callable[..., Any] | None = None
    """Gives the runner of the same build in another process, to which it can be sent; it takes `replay, retry_errors,
    buckets, run, beside`. None: all is computed in this one."""
    sharing: Callable[[Callable[..., Any]], Sharing] | None = None
    """Makes what computes its buckets elsewhere, of `reopen` with all but `beside`; None: processes of this machine."""
    watch: Callable[[str, str, Engine], Engine] = lambda step, model, engine: engine
    """What a step asks a model through, for whoever measures that: by the names of both, and the engine itself."""
    beside: int = 1
    """How many processes compute this build: each may take its share of memory, and has one process for verdicts."""

    @property
    def folder(self) -> Path:
        return self.workspace.build(self.recipe.name)

    @property
    def seed(self) -> int:
        return self.recipe.seed

    @cached_property
    def media(self) -> MediaStore:
        return MediaStore(self.workspace.media)

    @cached_property
    def memory(self) -> Memory:
        """What its tables may take."""
        size = self.recipe.driver.memory
        whole = Memory() if size is None else Memory(size)
        return whole if self.beside == 1 else Memory(max(LEAST, whole.bytes // self.beside))

    @cached_property
    def log(self) -> CompletionsLog:
        return CompletionsLog(self.workspace.completions, self.memory)

    @cached_property
    def prompts(self) -> PromptsLog:
        return PromptsLog(self.workspace.prompts)

    @cached_property
    def identities(self) -> Mapping[str, ModelIdentity]:
        """The identity of each model of the recipe; loads none."""
        from generators.models import identify

        return {name: identify(config) for name, config in self.recipe.models.items()}

    @cached_property
    def _pool(self) -> Any:
        from filters.verify.pool import VerifierPool

        workers = self.recipe.driver.workers if self.beside == 1 else 1
        return VerifierPool(workers, self.recipe.driver.verify_seconds)

    def verifiers(self) -> Any:
        """The pool of verifiers, whose processes start when first asked for; `close` stops them."""
        return self._pool

    @cached_property
    def shards(self) -> Sharing:
        """What computes buckets of its steps beside this process, on any machine; `close` stops it."""
        if self.sharing is None:
            return self.near
        assert self.reopen is not None
        return self.sharing(partial(self.reopen, **self._how))

    @cached_property
    def near(self) -> Shards:
        """Processes of this machine, which see its scratch; `close` stops them."""
        assert self.reopen is not None
        return Shards(partial(self.reopen, **self._how, beside=self.processes), self.processes)

    @property
    def _how(self) -> dict[str, Any]:
        return {"replay": self.replay, "retry_errors": self.retry_errors, "buckets": self.buckets, "run": self.run}

    @cached_property
    def askers(self) -> Shards:
        """Processes that ask models beside this one; `close` stops them."""
        assert self.reopen is not None
        count = self.recipe.driver.processes
        return Shards(partial(self.reopen, **self._how, beside=count), count, patience_s=0.0)

    @property
    def processes(self) -> int:
        """How many processes of this machine compute its buckets."""
        return self.recipe.driver.workers or self.memory.processes

    @property
    def troubles(self) -> list[str]:
        """Why no other process computes this build, though some should."""
        trouble = self.shards.trouble if "shards" in self.__dict__ else None
        return [] if trouble is None else [f"All is computed by one process, as no other opens this build: {trouble}"]

    def close(self) -> None:
        """Stop what was started. A build that goes on starts it again."""
        for started in ("_pool", "shards", "near", "askers"):
            if started in self.__dict__:
                self.__dict__.pop(started).close()

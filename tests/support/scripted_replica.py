"""An engine inside replicas whose behaviour the text of a request decides, for tests of replicas that die."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from generators.models import identify
from schemas.completion import Completion, Request
from schemas.engine import CacheUse, MediaReader, ModelConfig
from schemas.errors import ConfigError, PermanentEngineError, TransientEngineError


class ScriptedReplica:
    """Answers with its process id and what it was asked, and writes each question into the file that `args.journal` names.

    A text with "die once" kills the process the first time that it is asked, one with "die" each time; "refuse" is refused,
    "later" is a transient failure; "slow" takes a moment. An image is answered by its length.
    """

    def __init__(self, config: ModelConfig, media: MediaReader) -> None:
        self.identity = identify(config)
        self.concurrency = config.concurrency
        self._journal = Path(config.args["download_dir"])  # an argument that is no part of the identity
        self._media = media
        self._cache = CacheUse()

    async def start(self) -> None:
        if (self._journal / "broken").exists():
            raise ConfigError("no such weights")
        if (self._journal / "dies at start").exists():
            os._exit(1)

    async def close(self) -> None: ...

    def cache_use(self) -> CacheUse:
        return self._cache

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        text = "".join(part for part in request.messages[-1].content if isinstance(part, str))
        with (self._journal / "asked").open("a") as file:
            file.write(f"{os.getpid()} {text}\n")
        if "slow" in text:
            await asyncio.sleep(0.3)
        if "die once" in text and not (mark := self._journal / "died").exists():
            mark.touch()
            os._exit(1)
        if "die" in text and "once" not in text:
            os._exit(1)
        if "refuse" in text:
            raise PermanentEngineError("refused there")
        if "later" in text:
            raise TransientEngineError("not now", retry_after=7.5)
        self._cache = self._cache.plus(CacheUse(2, 1))
        images = [await asyncio.to_thread(self._media.read, sha256) for sha256 in request.images]
        reply = f"{text} {[len(image) for image in images]}"
        return [Completion(index, f"{reply} {index}", "stop", 1, 1) for index in indexes]

"""Asks an engine until it answers or gives a reason to give up: waits, tries again, restarts a dead one."""

import asyncio
from collections.abc import Sequence
from random import Random

from pipelines.run.driver_config import DriverConfig
from pipelines.run.receipt import Receipt
from schemas.completion import Completion, Request
from schemas.engine import Engine
from schemas.errors import EngineDiedError, StepError, TransientEngineError


class OutageError(TransientEngineError):
    """Nothing that another try within this build could mend."""


class Retries:
    """Exponential backoff with full jitter. `receipt` counts the tries and holds the last error."""

    def __init__(self, engine: Engine, config: DriverConfig, receipt: Receipt) -> None:
        self._engine = engine
        self._config = config
        self._receipt = receipt
        self._chance = Random(0)  # jitter only: never part of a result
        self._restarts = 0
        self._generation = 0
        self._restarting = asyncio.Lock()

    async def answer(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        """Ask until there is an answer or a reason to give up; at most one completion for each of `indexes`."""
        attempt = 0
        while True:
            generation = self._generation
            try:
                found = {answer.index: answer for answer in await self._engine.complete(request, indexes)}
                if not found and len(indexes) == 1:
                    raise TransientEngineError("the engine came back without an answer")
                return [found[index] for index in indexes if index in found]
            except EngineDiedError as error:
                await self._restart(generation, error)
            except TransientEngineError as error:
                self._check_wait(error)
                if attempt >= self._config.max_retries:
                    raise
                wait = min(self._config.backoff_max_s, self._config.backoff_s * 2**attempt) * self._chance.random()
                attempt += 1
                self._receipt.retries += 1
                self._receipt.last_error = str(error)
                await asyncio.sleep(max(wait, error.retry_after or 0.0))

    def _check_wait(self, error: TransientEngineError) -> None:
        """A server that wants to be left alone for longer than any wait is out for this build."""
        longest = self._config.backoff_max_s
        if error.retry_after is not None and error.retry_after > longest:
            raise OutageError(
                f"{error} (It asks to come back in {_duration(error.retry_after)}, and driver.backoff_max_s is {longest:g}: "
                "run the same command again then, or raise backoff_max_s to wait for it.)"
            ) from error

    async def _restart(self, generation: int, error: EngineDiedError) -> None:
        """Restart the engine once for all the requests that saw it die."""
        async with self._restarting:
            if generation != self._generation:
                return
            if self._restarts >= self._config.max_restarts:
                deaths = "once" if not self._restarts else f"{self._restarts + 1} times, the last time"
                raise StepError(
                    f"The engine died {deaths} with: {str(error).rstrip('.')}. What was answered is in the log: run the "
                    f"same command again to go on. (driver.max_restarts is {self._config.max_restarts}.)",
                    transient=True,
                ) from error
            self._restarts += 1
            await self._engine.close()
            await self._engine.start()
            self._generation += 1


def _duration(seconds: float) -> str:
    """`90 s`, `12 min`, `24 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"

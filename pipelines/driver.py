"""The driver: keeps an engine full, and puts every answer into the log the moment it comes.

It holds a bounded window of sequences in flight, so continuous batching never drains and a stream of ten million
requests never sits in memory. Transient failures are asked again with exponential backoff and full jitter; permanent
ones become rows; a fatal one stops the build at once; a dead local engine is restarted. Truncation is an answer.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Self

from pydantic import Field, model_validator

from pipelines.log_writer import LogWriter
from schemas.completion import Completion, Request
from schemas.engine import Engine
from schemas.errors import EngineDiedError, PermanentEngineError, StageError, TransientEngineError
from schemas.section import Section


class DriverConfig(Section):
    """How hard to try."""

    max_retries: int = Field(
        default=6, ge=0, description="tries after the first: 429, 5xx, time-outs, lost connections"
    )
    backoff_s: float = Field(default=1.0, ge=0, description="first wait; doubles each time, drawn from [0, wait]")
    backoff_max_s: float = Field(default=60.0, ge=0, description="longest wait")
    max_restarts: int = Field(default=2, ge=0, description="restarts of a dead local engine")
    max_error_rate: float = Field(default=0.2, ge=0, le=1, description="above it (after 50 requests) the stage stops")

    @model_validator(mode="after")
    def _waits(self) -> Self:
        if self.backoff_s > self.backoff_max_s:
            raise ValueError(
                f"the first wait ({self.backoff_s:g} s) must not exceed backoff_max_s ({self.backoff_max_s:g} s)"
            )
        return self


@dataclass(frozen=True, slots=True)
class Call:
    """One request and the sample indexes that are still wanted."""

    request: Request
    prompt: str
    indexes: tuple[int, ...]


@dataclass(slots=True)
class Receipt:
    """What a stage's model calls cost. Times are seconds of wall-clock from the first request."""

    total: int = 0
    samples: int = 0
    errors: int = 0
    unanswered: int = 0
    retries: int = 0
    truncated: int = 0
    in_flight: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    oldest: str = ""
    oldest_s: float = 0.0
    last_error: str = field(default="", repr=False)

    @property
    def tokens_per_second(self) -> float:
        return self.completion_tokens / self.seconds if self.seconds else 0.0


Report = Callable[[Receipt], None]
Heard = Callable[[Call, list[Completion]], int]
"""Told of the answers of a call, in a thread of its own, once they are in the log; says how many samples that were counted
in `total` will now not be asked for. It may add to the stream of calls, which is read again after every answer."""


def drive(
    calls: Iterator[Call],
    engine: Engine,
    log: LogWriter,
    config: DriverConfig,
    *,
    total: int,
    report: Report = lambda receipt: None,
    heard: Heard | None = None,
) -> Receipt:
    """Ask all `calls`; `total` counts their samples. Blocks until the last answer is in the log.

    Raises StageError when too many requests fail, FatalEngineError at the first request that no other could survive,
    KeyboardInterrupt on Ctrl-C; each time everything that was answered is in the log.
    """
    return asyncio.run(_Drive(calls, engine, log, config, total, report, heard).run())


class _Drive:
    """The state of one run of the driver."""

    def __init__(
        self,
        calls: Iterator[Call],
        engine: Engine,
        log: LogWriter,
        config: DriverConfig,
        total: int,
        report: Report,
        heard: Heard | None,
    ) -> None:
        self.calls = calls
        self.engine = engine
        self.log = log
        self.config = config
        self.report = report
        self.heard = heard
        self.receipt = Receipt(total=total)
        self.chance = Random(0)  # jitter only: never part of a result
        self.done: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()
        self.tasks: dict[asyncio.Task[None], tuple[Call, float]] = {}
        self.requests = 0
        self.failed = 0
        self.restarts = 0
        self.generation = 0
        self.restarting = asyncio.Lock()

    async def run(self) -> Receipt:
        await self.engine.start()
        self.started = time.monotonic()
        ticker = asyncio.create_task(self._tick())
        try:
            await self._pump()
            if self.failed == self.requests > 0:
                raise StageError(f"All {self.failed} requests failed. The last error: {self.receipt.last_error}")
        finally:
            ticker.cancel()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            self._update()
            self.log.flush()
            await self.engine.close()
        return self.receipt

    async def _pump(self) -> None:
        """Fill the window, then replace what ends, until the stream and the window are empty."""
        waiting = next(self.calls, None)
        while waiting or self.tasks:
            while waiting and self._has_room(waiting):
                self._send(waiting)
                waiting = next(self.calls, None)
            task = await self.done.get()
            call, _ = self.tasks.pop(task)
            self.receipt.in_flight -= len(call.indexes)
            task.result()
            waiting = waiting or next(self.calls, None)

    def _has_room(self, call: Call) -> bool:
        return not self.tasks or self.receipt.in_flight + len(call.indexes) <= self.engine.concurrency

    def _send(self, call: Call) -> None:
        task = asyncio.create_task(self._ask(call))
        self.tasks[task] = (call, time.monotonic())
        self.receipt.in_flight += len(call.indexes)
        task.add_done_callback(self.done.put_nowait)

    async def _ask(self, call: Call) -> None:
        self.requests += 1
        try:
            answers = await self._answer(call)
        except PermanentEngineError as error:
            answers = [Completion(index, "", "error", error=str(error)) for index in call.indexes]
            self.receipt.errors += len(answers)
            self._count_failure(str(error))
        except TransientEngineError as error:
            # Not logged: the next build asks again. This one goes on without the row.
            self.receipt.unanswered += len(call.indexes)
            self._count_failure(str(error))
            return
        self._record(call, answers)
        if self.heard is not None:
            self.receipt.total -= await asyncio.to_thread(self.heard, call, answers)

    def _record(self, call: Call, answers: list[Completion]) -> None:
        self.log.append(call.request, call.prompt, answers)
        receipt = self.receipt
        receipt.samples += len(answers)
        receipt.prompt_tokens += max((a.prompt_tokens for a in answers), default=0)
        receipt.completion_tokens += sum(a.completion_tokens for a in answers)
        receipt.truncated += sum(a.finish_reason == "length" for a in answers)

    async def _answer(self, call: Call) -> list[Completion]:
        """Ask until there is an answer or a reason to give up."""
        attempt = 0
        while True:
            generation = self.generation
            try:
                return await self.engine.complete(call.request, call.indexes)
            except EngineDiedError as error:
                await self._restart(generation, error)
            except TransientEngineError as error:
                if attempt >= self.config.max_retries:
                    raise
                wait = min(self.config.backoff_max_s, self.config.backoff_s * 2**attempt) * self.chance.random()
                attempt += 1
                self.receipt.retries += 1
                self.receipt.last_error = str(error)
                await asyncio.sleep(max(wait, error.retry_after or 0.0))

    async def _restart(self, generation: int, error: EngineDiedError) -> None:
        """Restart the engine once for all the requests that saw it die."""
        async with self.restarting:
            if generation != self.generation:
                return
            if self.restarts >= self.config.max_restarts:
                raise StageError(f"The engine died {self.restarts + 1} times, the last time with: {error}") from error
            self.restarts += 1
            await self.engine.close()
            await self.engine.start()
            self.generation += 1

    def _count_failure(self, message: str) -> None:
        self.failed += 1
        self.receipt.last_error = message
        if self.requests >= 50 and self.failed > self.config.max_error_rate * self.requests:
            raise StageError(
                f"{self.failed} of {self.requests} requests failed, more than driver.max_error_rate="
                f"{self.config.max_error_rate}. The last error: {message}"
            )

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self._update()

    def _update(self) -> None:
        now = time.monotonic()
        self.receipt.seconds = now - self.started
        oldest = min(self.tasks.values(), key=lambda pair: pair[1], default=None)
        self.receipt.oldest = oldest[0].request.id if oldest else ""
        self.receipt.oldest_s = now - oldest[1] if oldest else 0.0
        self.report(self.receipt)

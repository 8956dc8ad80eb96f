"""The driver: keeps an engine full, and puts every answer into the log the moment it comes.

It holds a bounded window of sequences in flight, so continuous batching never drains and a stream of ten million
requests never sits in memory. Transient failures are asked again with exponential backoff and full jitter; refusals
go into the failures log; a fatal error stops the build at once; a dead local engine is restarted. Truncation is an answer.

The unit of retry is the unit of answer. A call for several samples goes out as one, for the prompt is then computed once;
whatever comes back of it is logged, and what does not is asked for one sample a call. Where an engine gives no more than
one sample a call, later calls go out as single samples from the start.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Self

from pydantic import Field, model_validator

from pipelines.store.log_writer import LogWriter
from pipelines.store.memory import Size
from schemas.completion import Completion, Request, completion_key
from schemas.engine import Engine
from schemas.errors import EngineDiedError, PermanentEngineError, StageError, TransientEngineError
from schemas.section import Section


class DriverConfig(Section):
    """How hard to try."""

    max_retries: int = Field(
        default=6, ge=0, description="tries after the first: 429, 5xx, time-outs, lost connections"
    )
    backoff_s: float = Field(default=1.0, ge=0, description="first wait; doubles each time, drawn from [0, wait]")
    backoff_max_s: float = Field(
        default=60.0,
        ge=0,
        description="longest wait; a row whose server asks for a longer one is given up for this build",
    )
    error_attempts: int = Field(
        default=3,
        ge=1,
        description="builds in which a server may refuse a sample before that is final (see --retry-errors)",
    )
    max_restarts: int = Field(default=2, ge=0, description="restarts of a dead local engine")
    max_error_rate: float = Field(default=0.2, ge=0, le=1, description="above it (after 50 requests) the stage stops")
    workers: int | None = Field(
        default=None, ge=1, description="processes for verdicts and pure steps; null: one a core"
    )
    verify_seconds: float = Field(default=2.0, gt=0, description="what one verdict may take before it is unscored")
    memory: Size | None = Field(
        default=None,
        ge=64 << 20,
        description="how much the build's tables may take, such as 4GB; null: a quarter of what is free when it starts",
    )

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
    """What a stage's model calls cost, and what was left without an answer.

    Times are seconds of wall-clock from the first request. Tokens are None once one answer came without a count. `again`
    counts refusals that the next build asks about once more, `final` those that stand, both under the same `terms`
    (`pipelines.run.refusals`).
    """

    total: int = 0
    samples: int = 0
    errors: int = 0
    unanswered: int = 0
    again: int = 0
    final: int = 0
    terms: str = ""
    retries: int = 0
    truncated: int = 0
    in_flight: int = 0
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    seconds: float = 0.0
    oldest: str = ""
    oldest_s: float = 0.0
    last_error: str = field(default="", repr=False)

    def __add__(self, other: "Receipt") -> "Receipt":
        """What two runs cost together. What is true of a moment (in flight, the oldest) is the later one's."""
        sums = ("total", "samples", "errors", "unanswered", "again", "final", "retries", "truncated", "seconds")
        added = {name: getattr(self, name) + getattr(other, name) for name in sums}
        tokens = ("prompt_tokens", "completion_tokens")
        added |= {name: _plus(getattr(self, name), [getattr(other, name)]) for name in tokens}
        last = {name: getattr(other, name) or getattr(self, name) for name in ("terms", "oldest", "last_error")}
        return Receipt(**added, **last, in_flight=other.in_flight, oldest_s=other.oldest_s)

    @property
    def tokens_per_second(self) -> float | None:
        if self.completion_tokens is None:
            return None
        return self.completion_tokens / self.seconds if self.seconds else 0.0


Report = Callable[[Receipt], None]
Heard = Callable[[Call, list[Completion]], int]
"""Told of the answers of a call, in a thread of its own, once all of them are in the log; says how many samples that were
counted in `total` will now not be asked for. It may add to the stream of calls, which is read again after every answer."""


@dataclass(eq=False, slots=True)
class _Open:
    """A call under way: the samples without an outcome, and what the others came to."""

    call: Call
    left: set[int]
    answers: list[Completion] = field(default_factory=list)
    unanswered: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """Samples of a call that are asked for at once."""

    of: _Open
    indexes: tuple[int, ...]

    @property
    def several(self) -> bool:
        """Whether they may be asked for apart. Greedy decoding has one answer for all of them."""
        return len(self.indexes) > 1 and self.of.call.request.sampling.temperature > 0

    def alone(self, indexes: Iterable[int]) -> "list[_Part]":
        return [_Part(self.of, (index,)) for index in indexes]


def drive(
    calls: Iterator[Call],
    engine: Engine,
    log: LogWriter,
    config: DriverConfig,
    *,
    total: int,
    report: Report = lambda receipt: None,
    heard: Heard | None = None,
    before: Container[str] = frozenset(),
) -> Receipt:
    """Ask all `calls`; `total` counts their samples. Blocks until the last answer is in the log.

    `before` holds the keys of samples that were refused before: that they are again counts for no `max_error_rate`.

    Raises StageError when too many requests fail, FatalEngineError at the first request that no other could survive,
    KeyboardInterrupt on Ctrl-C; each time everything that was answered is in the log.
    """
    return asyncio.run(_Drive(calls, engine, log, config, total, report, heard, before).run())


class _OutageError(TransientEngineError):
    """Nothing that another try within this build could mend."""


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
        before: Container[str],
    ) -> None:
        self.calls = calls
        self.engine = engine
        self.log = log
        self.config = config
        self.report = report
        self.heard = heard
        self.before = before
        self.receipt = Receipt(total=total)
        self.chance = Random(0)  # jitter only: never part of a result
        self.done: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()
        self.tasks: dict[asyncio.Task[None], tuple[_Part, float]] = {}
        self.parts: deque[_Part] = deque()
        self.shared = 0  # calls for several samples that gave several,
        self.single = 0  # and those that gave one at most
        self.requests = 0
        self.failed = 0
        self.lost = 0  # failures that may pass within the minute
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
                raise self._stop(f"All {self.failed} requests failed.")
        finally:
            ticker.cancel()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            self._update()
            try:
                self.log.flush()
            finally:
                await self.engine.close()
        return self.receipt

    async def _pump(self) -> None:
        """Fill the window, then replace what ends, until the stream and the window are empty."""
        waiting = self._next()
        while waiting or self.tasks:
            while waiting and self._has_room(waiting := self._cut(waiting)):
                self._send(waiting)
                waiting = self._next()
            task = await self.done.get()
            part, _ = self.tasks.pop(task)
            self.receipt.in_flight -= len(part.indexes)
            task.result()
            waiting = waiting or self._next()

    def _next(self) -> _Part | None:
        """What is left of calls under way, or else the next call of the stream."""
        if not self.parts:
            call = next(self.calls, None)
            if call is None:
                return None
            return _Part(_Open(call, set(call.indexes)), call.indexes)
        return self.parts.popleft()

    def _cut(self, part: _Part) -> _Part:
        """The part itself, or its first sample where the engine was seen to give no more than one a call."""
        if not part.several or self.single <= self.shared:
            return part
        first, *rest = part.alone(part.indexes)
        self.parts.extendleft(reversed(rest))
        return first

    def _has_room(self, part: _Part) -> bool:
        return not self.tasks or self.receipt.in_flight + len(part.indexes) <= self.engine.concurrency

    def _send(self, part: _Part) -> None:
        task = asyncio.create_task(self._ask(part))
        self.tasks[task] = (part, time.monotonic())
        self.receipt.in_flight += len(part.indexes)
        task.add_done_callback(self.done.put_nowait)

    async def _ask(self, part: _Part) -> None:
        """Ask for a part, log what comes, and leave the rest to be asked for sample by sample."""
        self.requests += 1
        call, asked = part.of.call, part.indexes
        try:
            try:
                answers = await self._answer(call.request, asked)
            except PermanentEngineError:
                if not part.several:
                    raise
                # Was it refused for what it asks, or for asking several times at once? One sample alone tells.
                asked = asked[:1]
                answers = await self._answer(call.request, asked)
        except PermanentEngineError as error:
            answers = [Completion(index, "", "error", error=str(error)) for index in part.indexes]
            self._count_failure(str(error), passing=False, news=self._is_news(part))
        except TransientEngineError as error:
            # No answer: the next build asks again. This one goes on without the row.
            self.log.unanswered(call.prompt, part.indexes, str(error))
            self.receipt.unanswered += len(part.indexes)
            part.of.unanswered = True
            self._count_failure(str(error), passing=not isinstance(error, _OutageError))
            part.of.left.difference_update(part.indexes)
            return
        if part.several:
            self.requests -= not answers  # nothing was learned of it but how to ask
            self.shared += len(answers) > 1
            self.single += len(answers) <= 1
        said = {answer.index for answer in answers}
        self.parts.extendleft(reversed(part.alone(index for index in part.indexes if index not in said)))
        await self._record(part.of, answers)

    async def _record(self, of: _Open, answers: list[Completion]) -> None:
        answers = self.log.append(of.call.request, of.call.prompt, answers)
        receipt = self.receipt
        receipt.samples += len(answers)
        real = [a for a in answers if a.finish_reason != "error"]
        receipt.errors += len(answers) - len(real)
        receipt.prompt_tokens = _plus(receipt.prompt_tokens, (a.prompt_tokens for a in real[:1]))
        receipt.completion_tokens = _plus(receipt.completion_tokens, (a.completion_tokens for a in real))
        receipt.truncated += sum(a.finish_reason == "length" for a in answers)
        of.answers += answers
        of.left.difference_update(answer.index for answer in answers)
        if self.heard is not None and not of.left and not of.unanswered:
            self.receipt.total -= await asyncio.to_thread(self.heard, of.call, of.answers)

    async def _answer(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        """Ask until there is an answer or a reason to give up; at most one completion for each of `indexes`."""
        attempt = 0
        while True:
            generation = self.generation
            try:
                said = {answer.index: answer for answer in await self.engine.complete(request, indexes)}
                if not said and len(indexes) == 1:
                    raise TransientEngineError("the engine came back without an answer")
                return [said[index] for index in indexes if index in said]
            except EngineDiedError as error:
                await self._restart(generation, error)
            except TransientEngineError as error:
                self._check_wait(error)
                if attempt >= self.config.max_retries:
                    raise
                wait = min(self.config.backoff_max_s, self.config.backoff_s * 2**attempt) * self.chance.random()
                attempt += 1
                self.receipt.retries += 1
                self.receipt.last_error = str(error)
                await asyncio.sleep(max(wait, error.retry_after or 0.0))

    def _check_wait(self, error: TransientEngineError) -> None:
        """A server that wants to be left alone for longer than any wait is out for this build."""
        longest = self.config.backoff_max_s
        if error.retry_after is not None and error.retry_after > longest:
            raise _OutageError(
                f"{error} (It asks to come back in {_duration(error.retry_after)}, and driver.backoff_max_s is {longest:g}: "
                "run the same command again then, or raise backoff_max_s to wait for it.)"
            ) from error

    async def _restart(self, generation: int, error: EngineDiedError) -> None:
        """Restart the engine once for all the requests that saw it die."""
        async with self.restarting:
            if generation != self.generation:
                return
            if self.restarts >= self.config.max_restarts:
                raise StageError(
                    f"The engine died {self.restarts + 1} times, the last time with: {error}", transient=True
                ) from error
            self.restarts += 1
            await self.engine.close()
            await self.engine.start()
            self.generation += 1

    def _is_news(self, part: _Part) -> bool:
        """Whether a refusal of these samples is the first one."""
        return any(completion_key(part.of.call.prompt, index) not in self.before for index in part.indexes)

    def _count_failure(self, message: str, *, passing: bool, news: bool = True) -> None:
        self.failed += news
        self.lost += passing
        self.receipt.last_error = message
        if self.requests >= 50 and self.failed > self.config.max_error_rate * self.requests:
            raise self._stop(
                f"{self.failed} of {self.requests} requests failed, more than driver.max_error_rate="
                f"{self.config.max_error_rate}."
            )

    def _stop(self, what: str) -> StageError:
        return StageError(f"{what} The last error: {self.receipt.last_error}", transient=self.lost > 0)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self._update()

    def _update(self) -> None:
        now = time.monotonic()
        self.receipt.seconds = now - self.started
        oldest = min(self.tasks.values(), key=lambda pair: pair[1], default=None)
        self.receipt.oldest = oldest[0].of.call.request.id if oldest else ""
        self.receipt.oldest_s = now - oldest[1] if oldest else 0.0
        self.report(self.receipt)


def _plus(total: int | None, more: Iterable[int | None]) -> int | None:
    """A sum in which one unknown makes all unknown."""
    for count in more:
        total = None if total is None or count is None else total + count
    return total


def _duration(seconds: float) -> str:
    """`90 s`, `12 min`, `24 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"

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
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass

from pipelines.run.breaker import Breaker
from pipelines.run.driver_config import DriverConfig
from pipelines.run.receipt import Receipt, plus
from pipelines.run.retries import OutageError, Retries
from pipelines.store.log_writer import LogWriter
from schemas.completion import Completion, Request, completion_key
from schemas.engine import CacheUse, CountsCacheUse, Engine
from schemas.errors import PermanentEngineError, TransientEngineError


@dataclass(frozen=True, slots=True)
class Call:
    """One request and the sample indexes that are still wanted."""

    request: Request
    prompt: str
    indexes: tuple[int, ...]


Report = Callable[[Receipt], None]


@dataclass(frozen=True, slots=True)
class _Part:
    """Samples of a call that are asked for at once."""

    call: Call
    indexes: tuple[int, ...]

    @property
    def several(self) -> bool:
        """Whether they may be asked for apart. Greedy decoding has one answer for all of them."""
        return len(self.indexes) > 1 and self.call.request.sampling.temperature > 0

    def alone(self, indexes: Iterable[int]) -> "list[_Part]":
        return [_Part(self.call, (index,)) for index in indexes]


class Session:
    """An engine that is started when it is first asked, and stays up from one run of the driver to the next.

    All runs share one event loop, to which an engine's connections and queues belong. Leaving it closes the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._loop = asyncio.Runner()
        self._started = False

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the engine, if it was ever started. Nothing may be asked of it afterwards."""
        try:
            if self._started:
                self._loop.run(self.engine.close())
        finally:
            self._loop.close()

    async def start(self) -> None:
        """Start the engine, unless it runs."""
        if not self._started:
            self._started = True
            await self.engine.start()

    def drive(
        self,
        calls: Iterator[Call],
        log: LogWriter,
        config: DriverConfig,
        *,
        total: int,
        report: Report = lambda receipt: None,
        before: Container[str] = frozenset(),
    ) -> Receipt:
        """Ask all `calls`; `total` counts their samples. Blocks until the last answer is in the log.

        `before` holds the keys of samples that were refused before: that they are again counts for no `max_error_rate`.

        Raises StepError when too many requests fail, FatalEngineError at the first request that no other could survive,
        KeyboardInterrupt on Ctrl-C; each time everything that was answered is in the log.
        """
        try:
            return self._loop.run(_Drive(calls, self, log, config, total, report, before).run())
        except BaseException:
            self._end_tasks()  # an interrupt leaves the loop at once, with what came back not yet in a part of the log
            raise

    def _end_tasks(self) -> None:
        loop = self._loop.get_loop()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


class _Drive:
    """The state of one run of the driver."""

    def __init__(
        self,
        calls: Iterator[Call],
        session: Session,
        log: LogWriter,
        config: DriverConfig,
        total: int,
        report: Report,
        before: Container[str],
    ) -> None:
        self.calls = calls
        self.session = session
        self.engine = session.engine
        self.log = log
        self.report = report
        self.before = before
        self.receipt = Receipt(total=total)
        self.retries = Retries(session.engine, config, self.receipt)
        self.breaker = Breaker(config.max_error_rate, self.receipt)
        self.done: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()
        self.tasks: dict[asyncio.Task[None], tuple[_Part, float]] = {}
        self.parts: deque[_Part] = deque()
        self.shared = 0  # calls for several samples that gave several,
        self.single = 0  # and those that gave one at most

    async def run(self) -> Receipt:
        await self.session.start()
        self.started = time.monotonic()
        self.cached = self._cache_use()
        ticker = asyncio.create_task(self._tick())
        try:
            await self._pump()
            self.breaker.check_end()
        finally:
            ticker.cancel()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            self._update()
            self.log.flush()
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
            return _Part(call, call.indexes)
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
        self.breaker.requests += 1
        call, asked = part.call, part.indexes
        try:
            try:
                answers = await self.retries.answer(call.request, asked)
            except PermanentEngineError:
                if not part.several:
                    raise
                # Was it refused for what it asks, or for asking several times at once? One sample alone tells.
                asked = asked[:1]
                answers = await self.retries.answer(call.request, asked)
        except PermanentEngineError as error:
            answers = [Completion(index, "", "error", error=str(error)) for index in part.indexes]
            self.breaker.count(str(error), passing=False, news=self._is_news(part))
        except TransientEngineError as error:
            # No answer: the next build asks again. This one goes on without the row.
            self.log.unanswered(call.prompt, part.indexes, str(error))
            self.receipt.unanswered += len(part.indexes)
            self.breaker.count(str(error), passing=not isinstance(error, OutageError))
            return
        if part.several:
            self.breaker.requests -= not answers  # nothing was learned of it but how to ask
            self.shared += len(answers) > 1
            self.single += len(answers) <= 1
        given = {answer.index for answer in answers}
        self.parts.extendleft(reversed(part.alone(index for index in part.indexes if index not in given)))
        self._record(call, answers)

    def _record(self, call: Call, answers: list[Completion]) -> None:
        answers = self.log.append(call.request, call.prompt, answers)
        receipt = self.receipt
        receipt.samples += len(answers)
        real = [a for a in answers if a.finish_reason != "error"]
        receipt.errors += len(answers) - len(real)
        receipt.prompt_tokens = plus(receipt.prompt_tokens, (a.prompt_tokens for a in real[:1]))
        receipt.completion_tokens = plus(receipt.completion_tokens, (a.completion_tokens for a in real))
        receipt.truncated += sum(a.finish_reason == "length" for a in answers)

    def _is_news(self, part: _Part) -> bool:
        """Whether a refusal of these samples is the first one."""
        return any(completion_key(part.call.prompt, index) not in self.before for index in part.indexes)

    def _cache_use(self) -> CacheUse:
        return self.engine.cache_use() if isinstance(self.engine, CountsCacheUse) else CacheUse()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self._update()

    def _update(self) -> None:
        now = time.monotonic()
        self.receipt.seconds = now - self.started
        self.receipt.cache = self._cache_use().since(self.cached)
        oldest = min(self.tasks.values(), key=lambda pair: pair[1], default=None)
        self.receipt.oldest = oldest[0].call.request.id if oldest else ""
        self.receipt.oldest_s = now - oldest[1] if oldest else 0.0
        self.report(self.receipt)

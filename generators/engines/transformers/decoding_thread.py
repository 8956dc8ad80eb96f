"""The thread that decodes: takes requests in, admits them to the running batch, and hands finished samples out."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from generators.engines.transformers.batch_decoder import Arrival, BatchDecoder
from generators.engines.transformers.prefix import EncodedPrompt
from generators.engines.transformers.sequence import Sample
from schemas.completion import Completion
from schemas.errors import EngineDiedError, EngineError

logger = logging.getLogger(__name__)

GATHER_S = 0.01
GATHER_POLLS = 100
"""An idle engine lets requests that are being encoded catch up before it starts a batch, so that the batch is full and
what they begin with alike is known: it looks again every `GATHER_S`, at most `GATHER_POLLS` times."""

ADMIT_EVERY = 8
"""Decoding steps between two admissions: each costs a pass through the model, cheaper where several join at once."""

WIDEN_BY = 256
"""Columns, beyond twice the running batch's, that a joining prompt may have: all sequences are padded to the longest."""


@dataclass(slots=True)
class Job:
    """A request on its way: its prompt, its samples, and where the answer goes."""

    prompt: EncodedPrompt
    samples: list[Sample]
    future: "asyncio.Future[list[Completion]]"
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = len(self.samples)

    def settle(self, outcome: list[Completion] | EngineError) -> None:
        """Give the answer to the event loop that waits for it."""
        loop = self.future.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._set, outcome)

    def _set(self, outcome: list[Completion] | EngineError) -> None:
        if self.future.done():
            return
        if isinstance(outcome, EngineError):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class DecodingThread:
    """Runs a `BatchDecoder` until it is stopped or the model fails; `death` then says why."""

    def __init__(self, decoder: BatchDecoder, concurrency: int, arriving: Callable[[], int]) -> None:
        """`arriving` counts the requests that are being encoded and will be submitted in a moment."""
        self.death: str | None = None
        self._decoder = decoder
        self._concurrency = concurrency
        self._arriving = arriving
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._waiting: list[Job] = []
        self._running: dict[int, Job] = {}
        self._thread = threading.Thread(target=self._run, name="curate-decode", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Raises EngineDiedError when the thread has ended."""
        self._inbox.put(job)
        if self.death is not None:
            raise EngineDiedError(self.death)

    def stop(self) -> None:
        """End after the current step; what is in flight fails with `EngineDiedError`. Blocks until it has ended."""
        self.death = self.death or "the engine was closed"
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        steps = 0
        try:
            while self._take_in():
                if self._decoder.running == 0 or (self._waiting and steps % ADMIT_EVERY == 0):
                    self._admit()
                steps += 1
                if self._decoder.running:
                    for sample in self._decoder.step():
                        self._hand_out(sample)
        except Exception as error:
            logger.debug("decoding failed", exc_info=True)
            self.death = f"the model failed: {type(error).__name__}: {error}"
        self._fail(self.death or "the engine was closed")

    def _take_in(self) -> bool:
        """Move what arrived to `_waiting`; blocks while there is nothing to do. False when stopped."""
        idle = not self._waiting and self._decoder.running == 0
        patience = GATHER_POLLS if idle else 0
        while True:
            try:
                job = self._inbox.get(block=idle)
            except queue.Empty:
                if not (patience and self._arriving() and len(self._waiting) < self._concurrency):
                    return True
                patience -= 1
                time.sleep(GATHER_S)
                continue
            if job is None:
                return False
            self._waiting.append(job)
            idle = False

    def _admit(self) -> None:
        """Start what fits: in order of arrival, up to `concurrency` sequences, without widening a running batch much.

        A prompt far longer than the running batch waits until that has drained, and holds back those behind it.
        """
        self._forget_cancelled()
        free = self._concurrency - self._decoder.running
        most = 2 * self._decoder.width + WIDEN_BY if self._decoder.running else None
        if most is None:
            self._decoder.choose_prefix([j.prompt for j in self._waiting])
        arrivals = []
        while self._waiting and (len(self._waiting[0].samples) <= free or free == self._concurrency):
            if most is not None and self._decoder.own_length(self._waiting[0].prompt) > most:
                break
            job = self._waiting.pop(0)
            free -= len(job.samples)
            arrivals.append(Arrival(job.prompt, job.samples))
            self._running.update({id(s): job for s in job.samples})
        if arrivals:
            self._decoder.admit(arrivals)

    def _forget_cancelled(self) -> None:
        """Give up requests that nobody waits for any more."""
        self._waiting = [j for j in self._waiting if not j.future.cancelled()]
        for job in {id(j): j for j in self._running.values() if j.future.cancelled()}.values():
            self._decoder.drop(job.samples)
            for sample in job.samples:
                self._running.pop(id(sample), None)

    def _hand_out(self, sample: Sample) -> None:
        job = self._running.pop(id(sample))
        job.left -= 1
        if job.left == 0:
            job.settle([s.completion() for s in job.samples])

    def _fail(self, reason: str) -> None:
        """Fail everything: running, waiting, or still in the inbox."""
        jobs = [*self._running.values(), *self._waiting]
        while not self._inbox.empty():
            job = self._inbox.get()
            if job is not None:
                jobs.append(job)
        for job in {id(j): j for j in jobs}.values():
            job.settle(EngineDiedError(reason))

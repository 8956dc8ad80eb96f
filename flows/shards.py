"""Buckets of a step as tasks of Prefect's own task runner, on Dask or Ray: each computes a piece of them where it runs.

A worker opens the build by itself, as another process of this machine does, so it needs the workspace, and code that the
recipe brings, under the same paths. A task whose worker is lost is done by another one; what a worker cannot compute is
computed in the process of the flow.
"""

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from queue import SimpleQueue
from typing import Any, NamedTuple

from prefect import task
from prefect.futures import PrefectFuture

from pipelines.run.bucket import Computed
from pipelines.run.runner import Runner
from pipelines.run.shards import T, Task, Work
from pipelines.store.memory import cores
from schemas.errors import CurateError, StepError

FIRST_S, LEAST_S, MOST_S = 4.0, 1.0, 60.0
"""Seconds that a task is to take: at most, before it is known what a bucket takes and after; and at least. Each costs some
0.2 s of the processor, which Prefect takes on the worker, in the flow and in its server; a lost one, what it has done."""
AHEAD = 2
"""Tasks that are sent for each that can run: none waits for the flow."""
RETRIES = 2


class Did(NamedTuple):
    """What a task came to: `found` for the first of its buckets, in `seconds`; or why it could not."""

    found: list[tuple[int, Any]]
    seconds: float
    trouble: str | None = None


@task(name="shard", persist_result=False, retries=RETRIES, log_prints=False)
def shard_task(opening: bytes, job: Task[Any], work: Sequence[Work], seconds: float) -> Did:
    """Do a task for some buckets, one after the other, until `seconds` are over; where that fails for a reason that curate
    knows, for none of them."""
    found: list[tuple[int, Any]] = []
    try:
        context = _opened(opening).context(job.step, job.fingerprint)
        started = time.monotonic()
        for bucket, more in work:
            found.append((bucket, job.function(context, bucket, *more, _nobody)))
            if time.monotonic() - started > seconds:
                break
    except CurateError as error:
        return Did([], 0.0, str(error))
    return Did(found, time.monotonic() - started)


class Submitted:
    """`pipelines.run.shards.Shards` on the task runner of the flow, which does `slots()` tasks at once."""

    def __init__(self, reopen: Callable[..., Runner], slots: Callable[[], int]) -> None:
        self._opening, self._slots = pickle.dumps(reopen), slots
        self.trouble: str | None = None

    def map(
        self, task: Task[T], work: Sequence[Work], here: Callable[[int], T], done: Callable[[int], None]
    ) -> Iterator[tuple[int, T]]:
        """As `Shards.map`. Raises StepError where the workers of a piece are lost, however often it is tried."""
        left, ended, pace = deque(work), SimpleQueue[PrefectFuture[Any]](), 0.0
        named, sent = shard_task.with_options(task_run_name=f"{task.step}: shard"), dict[Any, Sequence[Work]]()
        while left or sent:
            slots = self._slots()
            while left and len(sent) < AHEAD * slots:
                taken = [left.popleft() for _ in range(size_of(len(left), sum(map(len, sent.values())), pace, slots))]
                future = named.submit(self._opening, task, taken, MOST_S if pace else FIRST_S)
                sent[future] = taken
                future.add_done_callback(ended.put)
            future = ended.get()
            piece = sent.pop(future)
            try:
                did: Did = future.result()
            except Exception as error:
                raise StepError(f"Step '{task.step}': a piece of it was lost on its workers: {error}") from error
            if did.trouble is not None:
                self.trouble = did.trouble
                yield from ((bucket, here(bucket)) for bucket, _ in piece)
                continue
            left.extendleft(reversed(piece[len(did.found) :]))
            pace = max(did.seconds / len(did.found), 1e-6)
            for bucket, one in did.found:
                if isinstance(one, Computed):
                    done(one.part["in"])
                yield bucket, one

    def close(self) -> None:
        """Nothing was started."""


def size_of(left: int, sent: int, pace: float, slots: int) -> int:
    """How many of the buckets that are left the next task takes, where one takes `pace` seconds (0: nobody knows).

    Guided self-scheduling: an even share of what is left, so that the last tasks are small and end together
    (Polychronopoulos and Kuck, IEEE Transactions on Computers 36, 1987), within LEAST_S and MOST_S. As long as nobody knows,
    an even share of all: a short step is one task a worker, and the tasks of a long one end after FIRST_S.
    """
    if not pace:
        return min(left, -(-(left + sent) // slots))
    if left * pace <= LEAST_S:
        return left
    return max(1, int(LEAST_S / pace), min(-(-left // slots), int(MOST_S / pace)))


@lru_cache(maxsize=4)
def _opened(opening: bytes) -> Runner:
    runner: Runner = pickle.loads(opening)(beside=cores())  # a task a core
    return runner


def _nobody(rows: int) -> None:
    """A piece is reported when it is whole."""

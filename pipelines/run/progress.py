"""How far a step is: rows done, of those that there are at most."""

import time
from collections.abc import Iterable, Sequence

from pipelines.compiler.pipeline import Step
from pipelines.run.body import PIECE
from pipelines.run.build import Build
from pipelines.run.receipt import Receipt
from pipelines.run.record import Record
from pipelines.sources.section import SourceSection


class Progress:
    """Reports rows of a step to the build as they are done, of `total`; nothing while there are few.

    Where `total` is not known, or was less than there are, it is those that are done.
    """

    def __init__(self, build: Build, step: str, total: int | None) -> None:
        self._build, self._step = build, step
        self._receipt = Receipt(total=total or 0)
        self._started = time.monotonic()

    def add(self, rows: int) -> None:
        """So many rows more are done; 0 says that the step has begun."""
        receipt = self._receipt
        receipt.samples += rows
        receipt.total = max(receipt.total, receipt.samples)
        receipt.seconds = time.monotonic() - self._started
        if receipt.total > PIECE:
            self._build.progress(self._step, receipt)


def of_rows(build: Build, step: Step, record: Record, buckets: Iterable[int]) -> Progress:
    """The progress of a step through the rows of `buckets`. One that asks models reports its answers first, by itself, and
    then the rows that are made of them."""
    made = [(record.step(maker) or {}).get("buckets", {}) for maker in step.node.makers]
    parts = list(buckets)
    return Progress(
        build, step.name, sum(found.get(str(bucket), {}).get("kept", 0) for found in made for bucket in parts)
    )


def of_sources(build: Build, step: Step, sources: Sequence[SourceSection], limit: int | None) -> Progress:
    """The progress of reading sources: of as many rows as they say that they have, or as are wanted at most."""
    lengths = [source.length() for source in sources]
    wanted = [
        min((n for n in (length, s.limit) if n is not None), default=None)
        for length, s in zip(lengths, sources, strict=True)
    ]
    known = [n for n in wanted if n is not None]
    most = sum(known) if len(known) == len(sources) else None
    return Progress(build, step.name, min((n for n in (most, limit) if n is not None), default=None))

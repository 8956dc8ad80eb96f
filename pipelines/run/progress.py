"""How far a step is that asks no model: rows done, of those that there are at most."""

import time
from collections.abc import Iterable

from pipelines.compiler.pipeline import Step
from pipelines.run.body import PIECE
from pipelines.run.build import Build
from pipelines.run.receipt import Receipt
from pipelines.run.record import Record


class RowProgress:
    """Reports a step's rows to the build as they are done; `buckets` are those that it works on.

    Steps of few rows, and those that ask models and so report their answers, report nothing here.
    """

    def __init__(self, build: Build, step: Step, record: Record, buckets: Iterable[int]) -> None:
        made = [(record.step(maker) or {}).get("buckets", {}) for maker in step.node.makers]
        most = sum(found.get(str(bucket), {}).get("kept", 0) for found in made for bucket in buckets)
        self._build, self._step = build, step
        self._receipt = Receipt(total=most)
        self._started = time.monotonic()
        self._shown = most > PIECE and not step.asks

    def add(self, rows: int) -> None:
        """So many rows more are done."""
        self._receipt.samples += rows
        self._receipt.seconds = time.monotonic() - self._started
        if self._shown:
            self._build.progress(self._step.name, self._receipt)

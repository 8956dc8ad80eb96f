"""The answers of a step, a bucket at a time, and how they ended."""

from collections import Counter

import polars as pl

from pipelines.run.asking import ANSWERS, Asking


class Ends:
    """Reads answers, and counts how they ended when a bucket is first read."""

    def __init__(self, asking: Asking | None) -> None:
        self._asking = asking
        self._read: set[int] = set()
        self.counts: Counter[tuple[str, str]] = Counter()
        """Answers by the recipe's name of the model and their `finish_reason`; `none` where it was not reached."""

    def answers(self, bucket: int) -> pl.DataFrame:
        """The answers of a bucket, as in `schemas.step.Tables`; none of a step that asks nobody."""
        if self._asking is None:
            return pl.DataFrame(schema=ANSWERS)
        found = self._asking.answers(bucket)
        if bucket not in self._read:
            self._read.add(bucket)
            for model, end, count in found.group_by("model", "finish_reason").len().iter_rows():
                self.counts[model, end or "none"] += count
        return found

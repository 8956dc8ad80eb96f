"""The answers of a step, a bucket at a time, and how they ended."""

from collections import Counter
from collections.abc import Mapping

import polars as pl

from pipelines.compiler.pipeline import Step
from pipelines.run.asked import ANSWERS
from pipelines.run.asking import Asking


class Ends:
    """Reads answers, and counts how they ended when a bucket is first read. `last_error` is what a server last answered."""

    def __init__(self, asking: Asking | None) -> None:
        self._asking = asking
        self._read: set[int] = set()
        self.counts: Counter[tuple[str, str]] = Counter()
        """Answers by the recipe's name of the model and their `finish_reason`; `none` where it was not reached."""
        self.last_error = ""

    def answers(self, bucket: int) -> pl.DataFrame:
        """The answers of a bucket, as in `schemas.step.Tables`; none of a step that asks nobody."""
        if self._asking is None:
            return pl.DataFrame(schema=ANSWERS)
        found = self._asking.answers(bucket)
        if bucket not in self._read:
            self._read.add(bucket)
            for model, end, count in found.group_by("model", "finish_reason").len().iter_rows():
                self.counts[model, end or "none"] += count
            self.last_error = next(iter(found["error"].drop_nulls().tail(1)), self.last_error)
        return found

    def totals(self) -> dict[str, tuple[int, int]]:
        """How many answers of each model were cut off, and how many there are."""
        found: dict[str, tuple[int, int]] = {}
        for (model, end), count in self.counts.items():
            cut, every = found.get(model, (0, 0))
            found[model] = (cut + count * (end == "length"), every + count * (end in ("length", "stop")))
        return found


def cut_off(step: Step, answers: Mapping[str, tuple[int, int]], share: float = 0.2) -> tuple[str, ...]:
    """A sentence for each model of whose answers (`model: (cut, all)`) a good share ended at the limit of tokens."""
    assert step.type.asks is not None
    key = f"steps.{step.name}.{step.type.asks.limit}"
    return tuple(
        f"{cut:,} of {total:,} answers of '{model}' ({cut / total:.0%}) were cut off before they ended; raise {key}."
        for model, (cut, total) in answers.items()
        if cut and cut >= share * total
    )

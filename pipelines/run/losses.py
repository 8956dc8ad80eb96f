"""Warns where a step loses almost all of its rows to one cause, which is seldom what a recipe means to do.

The sentences are made from a step's record and go into it, so that the terminal and the artifact of a flow say the same.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.step import StepType

ALMOST_ALL = 0.95
"""The share of a step's rows from which on one cause is an alarm."""
FEWEST = 5
"""Of fewer rows than this no share is an alarm."""

LOOK = "look at one with `curate why ID`"


def losses(step: StepType[Any], record: Mapping[str, Any]) -> list[str]:
    """Sentences about one step's record: a cause of its drops, or a verdict in its notes, that almost all rows came to."""
    return [*_of_drops(step, record), *_of_notes(step, record)]


def cure_of(step: StepType[Any], cause: str) -> str | None:
    """What to do about a cause, by the longest beginning of it in `cures`; None where most rows are meant to come to it."""
    fits = [start for start in step.cures if cause.startswith(start)]
    return step.cures[max(fits, key=len)] if fits else LOOK


def _of_drops(step: StepType[Any], record: Mapping[str, Any]) -> Iterator[str]:
    dropped: Mapping[str, int] = record["dropped"]
    rows = record["kept"] + sum(dropped.values())  # of a step that makes rows: those that it made, or could not make
    for reason, count in dropped.items():
        cure = cure_of(step, reason.partition(":")[2])
        if cure is not None and _is_almost_all(count, rows):
            yield f"{count:,} of {rows:,} rows of {record['unit']} dropped as {reason}; {cure}."


def _of_notes(step: StepType[Any], record: Mapping[str, Any]) -> Iterator[str]:
    """Rows that a step judges and does not drop are looked at where it counts its verdicts."""
    found = {name: count for name, count in record["notes"].items() if name in step.cures}
    rows = sum(found.values())
    for name, count in found.items():
        cure = step.cures[name]
        if cure is not None and _is_almost_all(count, rows):
            yield f"{count:,} of {rows:,} rows of {record['unit']} are `{name}`; {cure}."


def _is_almost_all(count: int, rows: int) -> bool:
    return rows >= FEWEST and count >= ALMOST_ALL * rows

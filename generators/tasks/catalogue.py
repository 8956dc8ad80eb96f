"""The procedural tasks, by name: pure functions from a number of rows and a seed to rows of `generators.tasks.rows.TASK`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from generators.tasks.counts import number
from generators.tasks.mixed import mixed
from generators.tasks.names import choice, text, yes_no
from generators.tasks.open_ended import open_
from generators.tasks.places import boxes, points
from generators.tasks.rows import Drawing, Row
from generators.tasks.several_images import multi_image
from generators.tasks.spoil import spoiled
from generators.tasks.sums import sums
from generators.tasks.unanswerable import unanswerable

TASKS: Mapping[str, Callable[[int, str | int, Drawing], Iterator[Row]]] = {
    "choice": choice,
    "number": number,
    "text": text,
    "yes_no": yes_no,
    "mixed": mixed,
    "open": open_,
    "boxes": boxes,
    "points": points,
    "multi_image": multi_image,
    "sums": sums,
    "unanswerable": unanswerable,
}


def task_rows(
    task: str, n: int, seed: str | int, faults: Mapping[Any, int] | None = None, drawing: Drawing | None = None
) -> Iterator[Row]:
    """`n` rows of a task, and duplicates beyond them; `faults` as in `spoiled`. The same for the same arguments."""
    return spoiled(list(TASKS[task](n, seed, drawing or Drawing())), faults or {})

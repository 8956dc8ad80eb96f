"""The task `mixed`: choices, numbers, words, and yes or no, in turn."""

from collections.abc import Iterator

from generators.tasks.counts import number
from generators.tasks.names import choice, text, yes_no
from generators.tasks.rows import Drawing, Row


def mixed(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """As many of each kind as n has quarters; the first ones have one more."""
    kinds = [iter(task(n, f"{seed}-mixed", drawing)) for task in (choice, number, text, yes_no)]
    for place in range(n):
        yield next(kinds[place % 4])

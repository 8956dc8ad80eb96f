"""The task `sums`: two numbers below a hundred, without an image."""

from collections.abc import Iterator
from random import Random

from generators.tasks.rows import Asked, Drawing, Row, row


def sums(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """The wrong answer forgets to carry, or is ten too many where there is nothing to carry."""
    rng = Random(f"{seed}:sums")
    for number in range(n):
        a, b = rng.randint(2, 99), rng.randint(2, 99)
        carried = a % 10 + b % 10 > 9
        wrong = a + b - 10 if carried else a + b + 10
        tens, ones = a // 10 * 10 + b // 10 * 10, a % 10 + b % 10
        because = f"The tens make {tens} and the ones {ones}, together {a + b}."
        amiss = f"The tens make {tens} and the ones {ones % 10 if carried else ones + 10}, together {wrong}."
        asked = Asked("sum", f"What is {a} + {b}?", str(a + b), str(wrong), "number", because, amiss)
        yield row("sums", number, [], asked, drawing) | {"level": 2 if carried else 1}

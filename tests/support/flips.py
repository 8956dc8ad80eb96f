"""Single bits that flip, and how many did, by kind of file: what nothing may use silently.

Slow tests flip as many bits as SLOW says of each kind, over 5,000 together; `tests/conftest.py` prints how many it came to.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FLIPPED: Counter[str] = Counter()
SLOW = {
    "part of a log": 1_200,
    "table of a step": 1_000,
    "image": 1_000,
    "build.json": 1_000,
    "record of a step": 1_000,
    "file of a release": 2_000,
    "file of an export": 160,
    "evaluation set": 300,
    "claim": 300,
}


def flip(data: bytes, chance: random.Random, kind: str) -> bytes:
    """The same bytes but for one bit."""
    FLIPPED[kind] += 1
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


@contextmanager
def flipped(path: Path, chance: random.Random, kind: str) -> Iterator[None]:
    """A bit of a file is another for the time of the block."""
    whole = path.read_bytes()
    path.write_bytes(flip(whole, chance, kind))
    try:
        yield
    finally:
        path.write_bytes(whole)


def in_turn(paths: list[Path], number: int, seed: int | str, kind: str) -> Iterator[Path]:
    """Flip so many bits of some files, one at a time; each is put back."""
    chance = random.Random(seed)
    for turn in range(number):
        path = paths[turn % len(paths)]
        with flipped(path, chance, kind):
            yield path

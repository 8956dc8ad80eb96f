"""Words of a text, known by hashes of 64 bits: a text is taken apart as an array of bytes, not word by word.

The hash of a word is a polynomial in numbers that stand for its bytes, modulo 2**64, so all of a text come from one sum over
it. They are comparable within a text, and in no other.
"""

import hashlib
from functools import cache, reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes = npt.NDArray[np.uint64]

_STEP = 0x9E3779B97F4A7C15
_PRIME = np.uint64(0x100000001B3)
"""Of the FNV-1a hash."""


def _number(byte: int) -> int:
    """What stands for a byte of a word; 0 for one that is in none."""
    letter = byte >= 0x80 or chr(byte).isalnum()
    return int.from_bytes(hashlib.blake2b(bytes([byte]), digest_size=8).digest(), "little") if letter else 0


_NUMBERS = np.array([_number(byte) for byte in range(256)], np.uint64)


class Words(NamedTuple):
    """The hashes of the words of a text, in their order, and where each starts and ends in its bytes."""

    hashes: Hashes
    starts: npt.NDArray[np.intp]
    ends: npt.NDArray[np.intp]


def spelled(text: pl.Expr) -> pl.Expr:
    """Texts as `words_of` takes them: in small letters, with a blank for whatever beyond ASCII is no letter or digit."""
    small = text.str.to_lowercase()
    beyond = pl.when(small.str.len_bytes() > small.str.len_chars()).then(small)
    return pl.coalesce(beyond.str.replace_all(r"[^\x00-\x7F\p{L}\p{N}]", " "), small)


def words_of(text: str) -> Words:
    r"""The words (`[\p{L}\p{N}]+`) of a text as `spelled` gives it."""
    numbers = _NUMBERS.take(
        np.frombuffer(text.encode(), np.uint8), mode="clip"
    )  # which looks for no byte beyond the table
    size = len(numbers)
    inside = np.zeros(size + 2, bool)
    np.not_equal(numbers, 0, out=inside[1:-1])
    edges = (inside[1:] != inside[:-1]).nonzero()[0]
    starts, ends = edges[::2], edges[1::2]
    powers = _powers(1 << size.bit_length())
    sums = np.zeros(size + 1, np.uint64)
    (numbers * powers[:size]).cumsum(out=sums[1:])
    return Words((sums[ends] - sums[starts]) * powers[size - starts], starts, ends)


def ngrams(words: Hashes, n: int) -> Hashes:
    """The hashes of all `n` words in a row."""
    count = len(words) - n + 1
    if count < 1:
        return words[:0]
    return reduce(lambda found, i: (found * _PRIME) ^ words[i : i + count], range(1, n), words[:count])


def repeated(items: Hashes) -> float:
    """The share of items that came before."""
    if not len(items):
        return 0.0
    ordered = np.sort(items)
    return 1.0 - (1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))) / len(items)


@cache
def _powers(size: int) -> Hashes:
    """The first `size` powers of a step that is odd, so that none of them is nothing."""
    powers = np.full(size, _STEP, np.uint64)
    powers[0] = 1
    return powers.cumprod()

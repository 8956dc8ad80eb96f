"""All pairs of 64-bit hashes within a Hamming distance, exactly.

Four 16-bit chunks: two hashes at distance d differ in at most d // 4 bits in one of them (pigeonhole; Norouzi, Punjani,
Fleet, "Fast exact search in Hamming space with multi-index hashing", 2014, section 2). So each hash is compared only
with those that agree with it there, up to that many flipped bits. The same idea is FAISS's IndexBinaryMultiHash; sorted
buckets instead of hash tables make it faster by the factor that `benchmarks/dedup_hashes.py` prints.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from schemas.errors import ConfigError

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_CHUNKS, _BITS = 4, 16
_MASK = np.uint64(0xFFFF)
LIMIT = 11
"""Above this distance three bits may differ in each chunk, and comparing everything is quicker."""


def hamming_pairs(
    left: Hashes, right: Hashes | None, max_distance: int, hold: int = 1 << 22
) -> Iterator[tuple[Ints, Ints]]:
    """Blocks `(i, j)` of all pairs with distance(left[i], right[j]) <= max_distance, each pair once.

    Without `right`, the pairs inside `left`, with i > j. About `hold` candidates are in memory at a time. Raises
    ConfigError above a distance of 11.
    """
    if max_distance > LIMIT:
        raise ConfigError(f"perceptual hashes are compared up to a Hamming distance of {LIMIT}, not {max_distance}")
    inside = right is None
    table = left if right is None else right
    if len(left) * len(table) <= hold:
        near = np.bitwise_count(left[:, None] ^ table[None, :]) <= max_distance
        heads, tails = np.nonzero(np.tril(near, k=-1) if inside else near)
        yield heads, tails
        return
    flips = max_distance // _CHUNKS
    for chunk in range(_CHUNKS):
        order, bounds = _buckets(table, chunk)
        ordered = table[order]
        walk = order if inside else np.argsort(_chunk(left, chunk), kind="stable")
        for mask in _masks(flips):
            bucket = _chunk(left[walk], chunk) ^ mask
            for i, at in _expanded(bounds[bucket], bounds[bucket + 1], hold):
                heads, tails = walk[i], order[at]
                differ = left[heads] ^ ordered[at]
                good = np.bitwise_count(differ) <= max_distance
                if inside:
                    good &= heads > tails
                for earlier in range(chunk):
                    good &= np.bitwise_count((differ >> np.uint64(_BITS * earlier)) & _MASK) > flips
                if good.any():
                    yield heads[good], tails[good]


def _chunk(hashes: Hashes, chunk: int) -> Ints:
    return ((hashes >> np.uint64(_BITS * chunk)) & _MASK).astype(np.int64)


def _buckets(hashes: Hashes, chunk: int) -> tuple[Ints, Ints]:
    """Places sorted by chunk value, and where each of the 65,536 values starts (and the last one ends)."""
    values = _chunk(hashes, chunk)
    order = np.argsort(values, kind="stable")
    counts = np.bincount(values, minlength=1 << _BITS)
    return order, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _masks(flips: int) -> list[int]:
    return [sum(1 << bit for bit in bits) for count in range(flips + 1) for bits in combinations(range(_BITS), count)]


def _expanded(starts: Ints, ends: Ints, hold: int) -> Iterator[tuple[Ints, Ints]]:
    """`(i, at)` for every place `at` in `starts[i] … ends[i]`, in blocks of about `hold`; one long range may be split."""
    counts = ends - starts
    total = np.cumsum(counts)
    whole = int(total[-1]) if len(total) else 0
    for first in range(0, whole, hold):
        last = min(first + hold, whole)
        low, high = np.searchsorted(total, [first, last - 1], side="right")
        rows = np.arange(low, high + 1)
        before = total[rows] - counts[rows]
        begin = np.maximum(first - before, 0)
        stop = np.minimum(last - before, counts[rows])
        sizes = stop - begin
        i = np.repeat(rows, sizes)
        offset = np.arange(last - first) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        yield i, np.repeat(starts[rows] + begin, sizes) + offset

"""Near-duplicate text by MinHash: the same words about the same media, a few of them changed.

Locality-sensitive hashing (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3) proposes, the exact
Jaccard similarity of character shingles decides. Signatures are `datasketch`'s. Its index is not used: it holds every row
as Python objects, while only the few rows that share a band with another one need to be held at all.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from filters.dedup.earlier_release import FIXED
from filters.dedup.quality import QualityConfig
from filters.dedup.rule import Rule, contestants, dropped_pairs
from schemas.split import Split

FEW = 64
"""Classes up to this size are compared pair by pair."""

BLOCK = 4_096
_BASE = np.uint64(0x9E3779B97F4A7C15)

Words = npt.NDArray[np.uint64]
Found = tuple[int, int, float]
"""Numbers of a dropped row and its partner, and their similarity."""


class MinHashConfig(Rule):
    """When two texts are near, and which duplicate stays."""

    threshold: float = Field(default=0.8, gt=0, le=1, description="Jaccard similarity of the shingles, at least")
    shingle: int = Field(default=5, ge=1, description="characters in a shingle")
    permutations: int = Field(default=128, ge=16, description="length of a signature")
    recall: float = Field(
        default=0.99, gt=0, lt=1, description="share of pairs at the threshold that hashing must propose"
    )
    quality: QualityConfig = Field(default_factory=QualityConfig, description="which duplicate stays")


def drop_similar_text(rows: pl.DataFrame, config: MinHashConfig, former: pl.DataFrame | None = None) -> Split:
    """Keep the best of the rows whose texts are near and whose media are the same; drop the others as `dedup:text`.

    Media are compared by hash, in order, and numbers, contrast words and answers as everywhere. Needs no model.
    Evidence: `kept`, `similarity` (exact Jaccard of the shingles).
    """
    table = contestants(rows, former, [*config.same, "media"], config.quality).filter(pl.len().over("class") > 1)
    texts = table.select(pl.col("question") + "\n" + pl.col("options")).to_series()
    fixed = table[FIXED].to_numpy()
    gone: list[Found] = []
    start = 0
    for size in table["class"].rle().struct.field("len").to_list():
        part = _walk(texts.slice(start, size), fixed[start : start + size], config)
        gone += [(start + left, start + right, similarity) for left, right, similarity in part]
        start += size
    schema = {"left": pl.Int64, "right": pl.Int64, "similarity": pl.Float64}
    found = pl.DataFrame(gone, schema=schema, orient="row")
    ids = {"id": table["id"].gather(found["left"]), "kept": table["id"].gather(found["right"])}
    return dropped_pairs(rows, pl.DataFrame(ids).with_columns(found["similarity"]), "dedup:text")


def bands(threshold: float, permutations: int, recall: float) -> tuple[int, int]:
    """`(bands, rows)`: the longest bands that still propose a pair at the threshold with the asked probability.

    A pair of similarity t shares a band with probability 1 - (1 - t^rows)^bands (Mining of Massive Datasets, 3.4.2).
    """
    for rows in range(permutations, 0, -1):
        count = permutations // rows
        if 1 - (1 - threshold**rows) ** count >= recall:
            return count, rows
    return permutations, 1


def _walk(texts: pl.Series, fixed: npt.NDArray[np.bool_], config: MinHashConfig) -> list[Found]:
    """Greedy keep-best over the texts of one class, best first. Texts that share no band with another are not looked at."""

    @lru_cache(maxsize=BLOCK)
    def shingles(row: int) -> frozenset[str]:
        return _shingles(texts[row], config.shingle)

    few = len(texts) <= FEW
    keys = {row: [0] for row in range(len(texts))} if few else _shared(band_keys(texts, config))
    kept: dict[int, list[int]] = defaultdict(list)
    gone: list[Found] = []
    for row in sorted(keys):
        candidates = {other for key in keys[row] for other in kept[key]}
        partner = None if fixed[row] else _partner(shingles, row, sorted(candidates), config.threshold)
        if partner is not None:
            gone.append((row, *partner))
            continue
        for key in keys[row]:
            kept[key].append(row)
    return gone


def band_keys(texts: pl.Series, config: MinHashConfig) -> Words:
    """`(texts, bands)`: a hash of each band of each text's signature, another for each band."""
    from datasketch import MinHash

    count, rows = bands(config.threshold, config.permutations, config.recall)
    empty = MinHash(num_perm=config.permutations, seed=1, hashfunc=int)
    out = np.empty((len(texts), count), dtype=np.uint64)
    for start in range(0, len(texts), BLOCK):
        for place, hashes in enumerate(_shingle_hashes(texts.slice(start, BLOCK), config.shingle), start):
            signature = empty.copy()
            signature.update_batch(hashes)
            values = signature.hashvalues[: count * rows].astype(np.uint64).reshape(count, rows)
            out[place] = np.arange(count, dtype=np.uint64)
            for column in values.T:
                out[place] = out[place] * _BASE + column
    return out


def _shared(keys: Words) -> dict[int, list[int]]:
    """The keys that several rows have, for each row that has one."""
    _, where, counts = np.unique(keys, return_inverse=True, return_counts=True)
    several = (counts > 1)[where].reshape(keys.shape)
    found: dict[int, list[int]] = defaultdict(list)
    for row, band in np.argwhere(several).tolist():
        found[row].append(int(keys[row, band]))
    return found


def _shingle_hashes(texts: pl.Series, size: int) -> Sequence[Words]:
    """For each text the 32-bit hashes of its shingles; a text shorter than a shingle is one."""
    padded = texts.str.pad_end(size, "\0")
    codes = np.frombuffer("".join(padded.to_list()).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = padded.str.len_chars().to_numpy().astype(np.int64)
    windows = max(0, len(codes) - size + 1)
    rolled = np.zeros(windows, dtype=np.uint64)
    for offset in range(size):
        rolled = rolled * _BASE + codes[offset : offset + windows]
    rolled = (rolled ^ (rolled >> np.uint64(29))) * _BASE >> np.uint64(32)
    ends = np.cumsum(lengths)
    return [np.unique(rolled[end - length : end - size + 1]) for end, length in zip(ends, lengths, strict=True)]


def _shingles(text: str, size: int) -> frozenset[str]:
    return frozenset(text[i : i + size] for i in range(max(1, len(text) - size + 1)))


def _partner(
    shingles: Callable[[int], frozenset[str]], row: int, candidates: Sequence[int], threshold: float
) -> tuple[int, float] | None:
    """The most similar candidate that reaches the threshold, of equal ones the best."""
    own = shingles(row) if candidates else frozenset()
    scored = [(len(own & shingles(c)) / len(own | shingles(c)), c) for c in candidates]
    best = min(((-similarity, c) for similarity, c in scored if similarity >= threshold), default=None)
    return None if best is None else (best[1], round(-best[0], 6))

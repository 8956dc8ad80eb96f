"""Near-duplicate text by MinHash: the same words about the same media, a few of them changed.

Locality-sensitive hashing (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3, through `datasketch`)
proposes, the exact Jaccard similarity of character shingles decides.
"""

from typing import Any

import polars as pl
from pydantic import Field

from filters.dedup.former import FIXED
from filters.dedup.quality import QualityConfig
from filters.dedup.rule import Rule, contestants, dropped_pairs
from schemas.split import Split


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
    text = pl.col("question") + "\n" + pl.col("options")
    walked = table.select("id", FIXED, "class", text.alias("text"))
    lsh, minhash = _lsh(config)
    kept: dict[str, frozenset[str]] = {}
    gone: list[tuple[str, str, float]] = []
    for identity, fixed, group, words in walked.iter_rows():
        shingles = _shingles(words, config.shingle)
        signature = minhash.copy()
        signature.update_batch([f"{group}:{shingle}".encode() for shingle in shingles])
        partner = None if fixed else _partner(shingles, lsh.query(signature), kept, config.threshold)
        if partner is None:
            lsh.insert(identity, signature, check_duplication=False)
            kept[identity] = shingles
        else:
            gone.append((identity, *partner))
    schema = {"id": pl.String, "kept": pl.String, "similarity": pl.Float64}
    return dropped_pairs(rows, pl.DataFrame(gone, schema=schema, orient="row"), "dedup:text")


def bands(threshold: float, permutations: int, recall: float) -> tuple[int, int]:
    """`(bands, rows)`: the longest bands that still propose a pair at the threshold with the asked probability.

    A pair of similarity t shares a band with probability 1 - (1 - t^rows)^bands (Mining of Massive Datasets, 3.4.2).
    """
    for rows in range(permutations, 0, -1):
        count = permutations // rows
        if 1 - (1 - threshold**rows) ** count >= recall:
            return count, rows
    return permutations, 1


def _lsh(config: MinHashConfig) -> tuple[Any, Any]:
    from datasketch import MinHash, MinHashLSH

    shape = bands(config.threshold, config.permutations, config.recall)
    lsh = MinHashLSH(num_perm=config.permutations, params=shape)
    return lsh, MinHash(num_perm=config.permutations, seed=1)


def _shingles(text: str, size: int) -> frozenset[str]:
    return frozenset(text[i : i + size] for i in range(max(1, len(text) - size + 1)))


def _partner(
    shingles: frozenset[str], candidates: list[str], kept: dict[str, frozenset[str]], threshold: float
) -> tuple[str, float] | None:
    """The most similar candidate that reaches the threshold, ties to the smaller id."""
    scored = [(len(shingles & kept[c]) / len(shingles | kept[c]), c) for c in candidates]
    best = min(((-similarity, c) for similarity, c in scored if similarity >= threshold), default=None)
    return None if best is None else (best[1], round(-best[0], 6))

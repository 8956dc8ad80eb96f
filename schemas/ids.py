"""Content ids: 128 bits over canonical JSON. An id says what a thing *is*, never where it was."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the verifier goes to trainers as their reward, and needs neither
    import polars as pl

HASHED_AT_A_TIME = 1 << 16
"""Ids turned into Python strings at once, so that ten million cost no gigabyte."""


def canonical_json(value: Any) -> str:
    """JSON with one spelling per value: sorted keys, no blanks, UTF-8; NaN and infinities are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_id(value: Any) -> str:
    """32 hex digits (128 bits of BLAKE2b) over the canonical JSON of `value`."""
    return hash_text(canonical_json(value))


def hash_text(text: str) -> str:
    """32 hex digits over a string. Lone surrogates, which JSON sources can hold, are hashed rather than refused."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def hash_files(paths: Iterable[Path]) -> str:
    """32 hex digits over names and bytes of files, in the order of their names; read in blocks, so any size will do."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(paths, key=lambda p: p.name):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def seeded(seed: int | str, key: str) -> Random:
    """The generator of chance for one row: depends on seed and id only, so rows can come in any order or number."""
    return Random(f"{seed}:{key}")


def chance(seed: int | str, ids: "pl.Series") -> "pl.Series":
    """One uniform number in [0, 1) for each id: what `seeded(seed, id)` is for a row, for a column of millions.

    The law: BLAKE2b with a digest of 8 bytes over the UTF-8 text `{seed}:{id}`, read as a little-endian integer, of
    which the upper 53 bits are divided by 2**53. A number depends on seed and id only, so it is the same in any order of
    rows, in any company and on any machine. It is *another* number than `seeded(seed, id).random()`. Use a seed
    of its own for each purpose (`f"control:{seed}"`), or draws of different purposes will agree.

    Returns a Float64 series with the name and length of `ids`. Raises ValueError for a null id.
    """
    import numpy as np
    import polars as pl

    if ids.null_count():
        raise ValueError(f"{ids.null_count()} of {len(ids)} ids are null; chance comes from ids")
    stem = hashlib.blake2b(f"{seed}:".encode(), digest_size=8)
    parts = [_draws(stem, ids[at : at + HASHED_AT_A_TIME]) for at in range(0, len(ids), HASHED_AT_A_TIME)]
    bits = np.frombuffer(b"".join(parts), dtype="<u8")
    return pl.Series(ids.name, (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _draws(stem: "hashlib.blake2b", ids: "pl.Series") -> bytes:
    digests = bytearray()
    for id_ in ids:
        own = stem.copy()
        own.update(id_.encode())
        digests += own.digest()
    return bytes(digests)

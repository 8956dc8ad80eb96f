"""Content ids: 128 bits over canonical JSON. An id says what a thing *is*, never where it stood."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any


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

"""Vectors by content key: the form in which a step gets embeddings."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
"""Every 16-bit float as a 32-bit one: looking them up is 1.6 times as quick as numpy's own conversion."""


@dataclass(frozen=True)
class Vectors:
    """`matrix[i]` is the vector of the thing whose content key is `keys[i]`.

    `keys` are unique: hashes of texts (see `filters.dedup.content.question_texts`) or sha256 of images. `matrix` is
    `(len(keys), dim)`, float16 or float32, L2-normalised, in memory or memory-mapped (`np.load(path, mmap_mode="r")`);
    it is only read, in blocks, so float16 on disk is the shape for ten million rows.
    """

    keys: pl.Series
    matrix: npt.NDArray[Any]

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or len(self.keys) != len(self.matrix):
            raise ValueError(f"{len(self.keys)} keys for a matrix of shape {self.matrix.shape}")

    @property
    def dim(self) -> int:
        return int(self.matrix.shape[1])

    def find(self, keys: pl.Series) -> Ints:
        """The row of the matrix for each key, -1 where there is none."""
        table = pl.DataFrame({"key": self.keys, "place": np.arange(len(self.keys), dtype=np.int64)})
        found = pl.DataFrame({"key": keys}).join(table, on="key", how="left", maintain_order="left", validate="m:1")
        return found["place"].fill_null(-1).to_numpy().astype(np.int64)

    def take(self, places: Ints) -> Floats:
        """`(len(places), dim)` float32, each row of length one; all zeros stay zeros."""
        rows = np.take(self.matrix, places, axis=0)
        block: Floats = _HALVES[rows.view(np.uint16)] if rows.dtype == np.float16 else rows.astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", block, block))
        block *= (1 / np.where(norms > 0, norms, 1.0)).astype(np.float32)[:, None]
        return block


def cosine(a: Vectors, places_a: Ints, b: Vectors, places_b: Ints) -> npt.NDArray[np.float64]:
    """Cosine of each pair, in float64, rounded to six digits so that a decision is the same on every machine."""
    out = np.empty(len(places_a), dtype=np.float64)
    step = max(1, (1 << 22) // a.dim)
    for start in range(0, len(out), step):
        part = slice(start, start + step)
        x = np.asarray(a.matrix[places_a[part]], dtype=np.float64)
        y = np.asarray(b.matrix[places_b[part]], dtype=np.float64)
        scale = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
        out[part] = np.einsum("ij,ij->i", x, y) / np.where(scale > 0, scale, 1.0)
    return np.round(out, 6)

"""The embeddings log on a disk that is too small for its matrix."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.store.embeddings import EmbeddingsLog
from schemas.completion import ModelIdentity
from schemas.errors import StepError, StoreError


class Zeros:
    """An encoder whose vectors say nothing."""

    def encode(self, items: Sequence[Any]) -> np.ndarray[Any, Any]:
        return np.zeros((len(items), 64))


def test_a_full_disk_is_a_sentence(tmp_path: Path, small_disk: Callable[[str], Path]) -> None:
    disk, keys = small_disk("size=128k"), pl.Series("key", [str(i) for i in range(4000)])
    log, who = EmbeddingsLog(tmp_path / "embeddings"), ModelIdentity("zeros", "1", "")
    with pytest.raises(StoreError, match="the disk is full"):
        log.vectors(who, keys, list, Zeros, disk / "matrix.npy")
    assert not len(log.missing(who, keys)), "what was encoded is kept"
    found = log.vectors(who, keys, list, Zeros, tmp_path / "matrix.npy")
    assert found.take(np.arange(2)).shape == (2, 64)


def test_vectors_that_are_no_numbers_are_not_stored(tmp_path: Path) -> None:
    class Overflows:
        def encode(self, items: Sequence[Any]) -> np.ndarray[Any, Any]:
            return np.array([[1e9 if item == "7" else 0.5] for item in items])

    keys, who = pl.Series("key", [str(i) for i in range(9)]), ModelIdentity("overflows", "1", "")
    log = EmbeddingsLog(tmp_path / "embeddings")
    with pytest.raises(StepError, match="1 of 9 items are no numbers, first 7"), np.errstate(over="ignore"):
        log.vectors(who, keys, list, Overflows, tmp_path / "matrix.npy")
    assert len(log.missing(who, keys)) == 9


@pytest.mark.parametrize("cut", [0, 100, -40])
def test_a_damaged_part_is_named_and_computed_anew(tmp_path: Path, cut: int) -> None:
    keys, who = pl.Series("key", [str(i) for i in range(40)]), ModelIdentity("zeros", "1", "")
    log = EmbeddingsLog(tmp_path / "embeddings")
    log.vectors(who, keys, list, Zeros, tmp_path / "matrix.npy")
    part = next(log.root.rglob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:cut])
    with pytest.raises(StoreError, match=rf"{part.name} is damaged. Delete it"):
        log.vectors(who, keys, list, Zeros, tmp_path / "matrix.npy")
    part.unlink()
    assert len(log.vectors(who, keys, list, Zeros, tmp_path / "matrix.npy").keys) == 40


def test_a_part_damaged_inside_is_named_when_it_is_read(tmp_path: Path) -> None:
    keys, who = pl.Series("key", [str(i) for i in range(40)]), ModelIdentity("zeros", "1", "")
    log = EmbeddingsLog(tmp_path / "embeddings")
    log.vectors(who, keys, list, Zeros, tmp_path / "matrix.npy")
    part = next(log.root.rglob("part-*.parquet"))
    data = bytearray(part.read_bytes())
    data[4:64] = bytes(60)
    part.write_bytes(data)
    with pytest.raises(StoreError, match="is damaged"):
        log.vectors(who, keys, list, Zeros, tmp_path / "matrix.npy")

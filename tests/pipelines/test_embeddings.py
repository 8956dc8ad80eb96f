"""The embeddings log on a disk that is too small for its matrix."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.embeddings import EmbeddingsLog
from schemas.completion import ModelIdentity
from schemas.errors import StoreError


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

"""The embeddings log on a disk that is too small for its matrix."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.store.embeddings import PART_ROWS, EmbeddingsLog
from schemas.completion import ModelIdentity
from schemas.errors import StepError, StoreError
from schemas.ids import content_id


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


class Counts(Zeros):
    """An encoder that counts what it is given."""

    seen = 0

    def encode(self, items: Sequence[Any]) -> np.ndarray[Any, Any]:
        self.seen += len(items)
        return super().encode(items)


@pytest.mark.parametrize("cut", [0, 100, -40, None])
def test_what_a_damaged_part_held_is_encoded_again(tmp_path: Path, cut: int | None) -> None:
    """A part that was cut off, and one of which bytes inside have changed."""
    keys, who, encoder = pl.Series("key", [str(i) for i in range(40)]), ModelIdentity("zeros", "1", ""), Counts()
    log = EmbeddingsLog(tmp_path / "embeddings")
    log.vectors(who, keys.head(9), list, lambda: encoder, tmp_path / "matrix.npy")
    (part,) = log.root.rglob("part-*.parquet")
    log.vectors(who, keys, list, lambda: encoder, tmp_path / "matrix.npy")
    data = part.read_bytes()
    part.write_bytes(data[:4] + bytes(60) + data[64:] if cut is None else data[:cut])
    assert len(log.missing(who, keys)) == 9
    assert len(log.vectors(who, keys, list, lambda: encoder, tmp_path / "matrix.npy").keys) == 40
    assert encoder.seen == 49
    assert len(list(log.root.rglob(f"aside-{part.stem}-*.parquet"))) == 1


def test_vectors_of_another_encoder_are_not_used(tmp_path: Path) -> None:
    keys, log = pl.Series("key", ["a"]), EmbeddingsLog(tmp_path / "embeddings")
    one, two = (ModelIdentity(name, "1", "") for name in ("one", "two"))
    log.vectors(one, keys, list, Zeros, tmp_path / "matrix.npy")
    (part,) = log.root.rglob("part-*.parquet")
    assert len(log.missing(two, keys)) == 1
    other = log.root / content_id(two.to_json())
    other.mkdir()
    (other / part.name).write_bytes(part.read_bytes())
    assert len(log.missing(two, keys)) == 1
    assert [path.name for path in other.iterdir()] == [f"aside-{part.stem}-place.parquet"]
    assert not len(log.missing(one, keys))


def test_vectors_that_go_while_others_are_computed_are_computed_too(tmp_path: Path) -> None:
    """Another process may set a part aside; a vector of zeros stood for each of its keys."""

    class Removes(Zeros):
        def encode(self, items: Sequence[Any]) -> np.ndarray[Any, Any]:
            for part in log.root.rglob("part-*.parquet"):
                if "b" in items:
                    part.unlink()
            return np.ones((len(items), 64))

    keys, who, log = pl.Series("key", ["a", "b"]), ModelIdentity("m", "1", ""), EmbeddingsLog(tmp_path / "log")
    log.vectors(who, keys.head(1), list, Removes, tmp_path / "matrix.npy")
    assert log.vectors(who, keys, list, Removes, tmp_path / "matrix.npy").take(np.arange(2)).all()


def test_an_encoder_that_changed_midway_is_a_sentence(tmp_path: Path) -> None:
    class Changed:
        def encode(self, items: Sequence[Any]) -> np.ndarray[Any, Any]:
            return np.zeros((len(items), 32))

    keys, who, log = pl.Series("key", list("abcde")), ModelIdentity("m", "1", ""), EmbeddingsLog(tmp_path / "log")
    log.vectors(who, keys.head(2), list, Zeros, tmp_path / "matrix.npy")
    found = log.vectors(who, keys, list, Changed, tmp_path / "matrix.npy")  # most are of the new one now
    assert found.take(np.arange(5)).shape == (5, 32)
    with pytest.raises(StepError, match=r"1 vectors of m have another length than most in .*; remove that folder"):
        log.vectors(who, pl.Series("key", ["a", "f"]), list, Zeros, tmp_path / "matrix.npy")


def test_vectors_of_another_length_cost_themselves_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Changed:
        def encode(self, items: Sequence[Any]) -> np.ndarray[Any, Any]:
            return np.zeros((len(items), 32))

    keys, who, log = pl.Series("key", list("abcde")), ModelIdentity("m", "1", ""), EmbeddingsLog(tmp_path / "log")
    log.vectors(who, keys.head(2), list, Changed, tmp_path / "matrix.npy")
    log.vectors(who, keys.tail(3), list, Zeros, tmp_path / "matrix.npy")
    assert log.missing(who, keys).to_list() == ["a", "b"]
    assert "its vectors have 32 numbers, and most have 64" in caplog.text
    assert log.vectors(who, keys, list, Zeros, tmp_path / "matrix.npy").take(np.arange(5)).shape == (5, 64)


def test_an_encoder_gets_a_whole_part_at_once_so_that_it_can_order_texts_by_length(tmp_path: Path) -> None:
    calls: list[int] = []

    class Calls(Zeros):
        def encode(self, items: Sequence[Any]) -> np.ndarray[Any, Any]:
            calls.append(len(items))
            return super().encode(items)

    keys, who = pl.Series("key", [str(i) for i in range(PART_ROWS + 9)]), ModelIdentity("zeros", "1", "")
    EmbeddingsLog(tmp_path / "embeddings").vectors(who, keys, list, Calls, tmp_path / "matrix.npy")
    assert calls == [PART_ROWS, 9]

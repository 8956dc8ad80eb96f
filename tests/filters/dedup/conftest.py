"""Rows and vectors for the tests of deduplication."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from filters.dedup.content import question_texts
from filters.dedup.vectors import Vectors
from schemas.sample import SAMPLE

MakeRows = Callable[..., pl.DataFrame]
MakeVectors = Callable[[Sequence[str], npt.NDArray[Any]], Vectors]


def _row(number: int, given: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(SAMPLE)
    answer = given.pop("answer", "yes")
    shas = given.pop("images", [])
    size = given.pop("size", 64)
    row |= {
        "id": f"r{number:04d}",
        "question": "",
        "options": [],
        "answer": {"kind": "text", "raw": answer, "parsed": None},
    }
    row["media"] = [{"kind": "image", "sha256": sha, "width": size, "height": size} for sha in shas]
    row["source"] = {"dataset": given.pop("dataset", "d"), "split": None, "row": None, "license": None, "url": None}
    return row | given


@pytest.fixture(scope="session")
def make_rows() -> MakeRows:
    """Rows in the sample shape from dicts; short names: `answer` (raw), `images` (hashes), `size`, `dataset`."""

    def make(*given: dict[str, Any]) -> pl.DataFrame:
        rows = [_row(number, dict(entry)) for number, entry in enumerate(given)]
        extra = {name: None for row in rows for name in row if name not in SAMPLE}
        frame = pl.DataFrame(rows, schema_overrides=dict(SAMPLE), infer_schema_length=None)
        return frame.select(*SAMPLE, *extra)

    return make


@pytest.fixture(scope="session")
def text_vectors() -> Callable[[pl.DataFrame, npt.NDArray[Any]], Vectors]:
    """Vectors for the questions of rows, one given vector a row (the first one wins where questions are equal)."""

    def make(rows: pl.DataFrame, matrix: npt.NDArray[Any]) -> Vectors:
        keys = question_texts(rows)["key"]
        first = keys.to_frame("key").with_row_index().unique("key", keep="first", maintain_order=True)
        return Vectors(first["key"], np.asarray(matrix, dtype=np.float32)[first["index"].to_numpy()])

    return make


@pytest.fixture(scope="session")
def unit() -> Callable[[float], list[float]]:
    """A vector of length one in the plane, at an angle in degrees: similarity is the cosine of the difference."""

    def make(degrees: float) -> list[float]:
        return [float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))]

    return make

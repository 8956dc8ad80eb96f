"""Which rows can have anything to do with each other, at any level: what falls apart is deduplicated apart."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from filters.dedup.content import content
from filters.dedup.meaning_words import marks

Keys = npt.NDArray[np.uint64]


def common_keys(rows: pl.DataFrame, match_answer: bool, match_marks: bool) -> pl.Series:
    """A number for each row; rows with unlike numbers are duplicates at no level.

    They have another count of media, or another answer or other numbers in the question, where all levels match those.
    The number of a row is the same within one process only.
    """
    compared = content(rows, ["answer"]) if match_answer else rows.select("id")
    numbers = _numbers(pl.col("question")) if match_marks else pl.lit("")
    columns = compared.drop("id").with_columns(rows.select(pl.col("media").list.len(), numbers=numbers))
    return columns.select(pl.struct(pl.all()).hash(0).alias("key")).to_series()


def _numbers(question: pl.Expr) -> pl.Expr:
    """The numbers among the marks of a question. Unlike the marks, they are those of its normalised text, too: some levels
    compare marks, others that text."""
    return marks(question).str.extract_all(r"\d+").list.join(" ")


def ranges(keys: Sequence[Keys], most: int) -> list[tuple[int, int]]:
    """Ranges of keys, first and last, that hold all rows whose key another row has too.

    As few as `most` rows in each allow; a single key with more is a range of its own.
    """
    every, counts = np.unique(np.concatenate([*keys, np.empty(0, dtype=np.uint64)]), return_counts=True)
    shared, sizes = every[counts > 1], counts[counts > 1]
    found: list[tuple[int, int]] = []
    held = 0
    for key, size in zip(shared.tolist(), sizes.tolist(), strict=True):
        if found and held + size <= most:
            found[-1] = (found[-1][0], key)
            held += size
        else:
            found.append((key, key))
            held = size
    return found

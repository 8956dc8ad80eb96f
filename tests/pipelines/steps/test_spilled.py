"""Rows come back by ranges of their key, whether they were written to a file or not."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.steps.spilled import KEY, Spilled


@pytest.mark.parametrize(("most", "files"), [(1, 5), (3_500, 1), (1 << 20, 0)])
def test_rows_come_back_by_their_keys(tmp_path: Path, most: int, files: int) -> None:
    rows = pl.DataFrame({KEY: [n * 7919 % 101 for n in range(100)], "text": [f"row {n:050d}" for n in range(100)]})
    rows = rows.with_columns(pl.col(KEY).cast(pl.UInt64))
    held = Spilled(tmp_path, most)
    for start in range(0, 100, 20):
        held.add(rows[start : start + 20])
    assert len(list(tmp_path.iterdir())) == files
    found = held.between(10, 40)
    assert found.sort("text").equals(rows.filter(pl.col(KEY).is_between(10, 40)).sort("text"))
    assert sum(map(len, held.keys)) == 100 and held.size >= 100 * 60

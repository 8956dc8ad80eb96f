"""Row groups are small in bytes, and where they end depends on the rows alone."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from pipelines.store import row_groups
from pipelines.store.row_groups import TableWriter, batches, even, whole_rows
from pipelines.store.workspace import write_table


def write(path: Path, rows: pl.DataFrame, piece: int) -> Path:
    with TableWriter(path, rows.schema) as writer:
        for part in rows.iter_slices(piece):
            writer.add(part)
    assert writer.rows == rows.height
    return path


def test_a_group_of_long_texts_has_few_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "GROUP_BYTES", 100_000)
    rows = pl.DataFrame({"id": range(500), "text": ["x" * 17_000 if i % 2 else None for i in range(500)]})
    write_table(rows, tmp_path / "t.parquet")
    groups = pq.ParquetFile(tmp_path / "t.parquet").metadata
    assert max(groups.row_group(i).num_rows for i in range(groups.num_row_groups)) == 12
    found = list(batches(tmp_path / "t.parquet"))
    assert max(piece.height for piece in found) == 12
    assert pl.concat(found).equals(rows)


def test_a_group_of_short_rows_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "GROUP_ROWS", 100)
    write_table(pl.DataFrame({"id": range(250)}), tmp_path / "t.parquet")
    assert [p.height for p in batches(tmp_path / "t.parquet")] == [100, 100, 50]


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_the_pieces_leave_no_trace(tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "GROUP_BYTES", 5000)
    rows = pl.DataFrame({"id": [str(i) for i in range(300)], "text": [None if i % 5 else "y" * i for i in range(300)]})
    whole = write(tmp_path / "whole", rows, rows.height).read_bytes()
    assert write(tmp_path / "pieces", rows, piece).read_bytes() == whole


def test_every_type_comes_back(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "a": [1.5, None],
            "b": [True, None],
            "c": [[{"x": "1", "y": None}], []],
            "d": [[0.5], None],
            "e": [datetime(2026, 1, 1, tzinfo=UTC), None],
            "f": [7, 8],
            "g": [None, None],
            "h": [[1.0, 2.0], [3.0, 4.0]],
            "i": [b"\x00", None],
        },
        schema_overrides={
            "c": pl.List(pl.Struct({"x": pl.String, "y": pl.Int32})),
            "d": pl.List(pl.Float32),
            "f": pl.UInt32,
            "h": pl.Array(pl.Float16, 2),
        },
    )
    write_table(rows, tmp_path / "t.parquet")
    assert pl.read_parquet(tmp_path / "t.parquet").equals(rows)
    assert pl.read_parquet(tmp_path / "t.parquet").schema == rows.schema
    assert pl.concat(batches(tmp_path / "t.parquet")).equals(rows)


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    rows = pl.DataFrame(schema={"id": pl.String, "list": pl.List(pl.Int32)})
    write_table(rows.lazy(), tmp_path / "t.parquet")
    assert pl.read_parquet(tmp_path / "t.parquet").schema == rows.schema
    assert not list(batches(tmp_path / "t.parquet"))


def test_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(pl.exceptions.SchemaError), TableWriter(tmp_path / "t", pl.Schema({"id": pl.String})) as writer:
        writer.add(pl.DataFrame({"id": [1]}))


def test_whole_rows_stay_together() -> None:
    rows = pl.DataFrame({"id": ["a", "a", "b", "c", "c", "c", "d"]})
    pieces = list(whole_rows(iter([*rows.iter_slices(2), rows.head(0)])))
    assert pl.concat(pieces).equals(rows)
    assert sum(piece["id"].n_unique() for piece in pieces) == 4


@pytest.mark.parametrize("piece", [1, 3, 10, 64])
def test_pieces_are_made_even(piece: int) -> None:
    rows = pl.DataFrame({"id": range(64)})
    found = list(even(rows.iter_slices(piece), 10))
    assert [p.height for p in found] == [10] * 6 + [4]
    assert pl.concat(found).equals(rows)
    assert not list(even([rows.head(0)], 10))

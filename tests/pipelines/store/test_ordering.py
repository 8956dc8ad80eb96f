"""Sorting and joining on disk: the same rows as in memory, with a bounded part of them in memory."""

from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store.memory import Memory
from pipelines.store.ordering import aligned, in_order, sorted_pieces, write_sorted

SMALL = Memory(1)
"""Runs of 1 MiB, the smallest ones that there are."""


def table(rows: int, size: int) -> pl.DataFrame:
    """Rows in no order; a third of their texts is null."""
    numbers = [(i * 7919) % rows for i in range(rows)]
    texts = [None if i % 3 == 0 else f"{i}" * (size // 5) for i in numbers]
    return pl.DataFrame({"id": [f"{i // 8:08d}" for i in numbers], "index": [i % 8 for i in numbers], "text": texts})


def test_more_than_memory_holds_comes_sorted(tmp_path: Path) -> None:
    rows = table(8000, 2000)
    pieces = list(in_order(rows.iter_slices(500), ("id", "index"), tmp_path, SMALL))
    assert pl.concat(pieces).equals(rows.sort("id", "index"))
    assert max(p.estimated_size() for p in pieces) < rows.estimated_size() / 20
    assert not list(tmp_path.iterdir()), "every run is removed once it has been read"


def test_runs_are_written_where_they_do_not_fit(tmp_path: Path) -> None:
    rows = table(8000, 2000)
    pieces = in_order(rows.iter_slices(500), ("id", "index"), tmp_path, SMALL)
    next(pieces)
    assert len(list(tmp_path.glob("*.arrow"))) > 5


def test_more_runs_than_can_be_merged_at_once(tmp_path: Path) -> None:
    rows = table(24_000, 3000)
    found = pl.concat(in_order(rows.iter_slices(1000), ("id", "index"), tmp_path, SMALL))
    assert SMALL.piece // SMALL.chunk < rows.estimated_size() // SMALL.piece, "or this would test nothing"
    assert found.equals(rows.sort("id", "index"))


def test_no_rows_are_no_pieces(tmp_path: Path) -> None:
    assert not list(in_order([table(8, 10).head(0)], ("id",), tmp_path, SMALL))
    write_sorted(table(8, 10).head(0).lazy(), ("id",), tmp_path / "t.parquet", SMALL)
    assert pl.read_parquet(tmp_path / "t.parquet").schema == table(8, 10).schema


def test_nulls_come_last(tmp_path: Path) -> None:
    rows = pl.DataFrame({"order": [None, 2, None, 1], "id": ["b", "c", "a", "d"]})
    found = pl.concat(sorted_pieces(rows.lazy(), ("order", "id"), tmp_path, SMALL))
    assert found["id"].to_list() == ["d", "c", "a", "b"]


@given(
    keys=st.lists(st.text("ab", max_size=3), max_size=40),
    others=st.lists(st.text("ab", max_size=3), max_size=20, unique=True),
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
@settings(max_examples=80, deadline=None)
def test_two_streams_side_by_side_are_a_join(keys: list[str], others: list[str], sizes: tuple[int, int]) -> None:
    left = pl.DataFrame({"id": sorted(keys), "place": range(len(keys))}, schema={"id": pl.String, "place": pl.Int64})
    right = pl.DataFrame({"of": sorted(others)}, schema={"of": pl.String}).with_columns(note=pl.col("of") + "!")
    for how in ("inner", "left"):
        found = [
            piece.join(known, left_on="id", right_on="of", how=how, maintain_order="left")  # type: ignore[arg-type]
            for piece, known in aligned(
                left.iter_slices(sizes[0]), [right.head(0), *right.iter_slices(sizes[1])], "id", "of"
            )
        ]
        whole = left.join(right, left_on="id", right_on="of", how=how, maintain_order="left")  # type: ignore[arg-type]
        assert pl.concat([whole.head(0), *found]).equals(whole)

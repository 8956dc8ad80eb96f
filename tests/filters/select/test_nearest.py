"""The nearest others of each row: exact, of other groups only, the same whatever the order."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.vectors import Vectors
from filters.select import nearest as module
from filters.select.nearest import nearest
from filters.select.neighbours import SCALE


def rows_of(groups: list[str], offered: list[bool] | None = None) -> pl.DataFrame:
    ids = [f"{place:03}" for place in range(len(groups))]
    given = [True] * len(groups) if offered is None else offered
    return pl.DataFrame(
        {"id": ids, "group": groups, "offered": given},
        schema={"id": pl.String, "group": pl.String, "offered": pl.Boolean},
    )


def by_hand(rows: pl.DataFrame, vectors: Vectors, k: int) -> list[list[str]]:
    table = vectors.take(vectors.find(rows["id"]))
    near = np.rint(table @ table.T * SCALE)
    records = rows.rows(named=True)
    return [
        [
            records[other]["id"]
            for other in sorted(range(len(records)), key=lambda o: (-near[place, o], records[o]["id"]))
            if records[other]["offered"] and records[other]["group"] != row["group"] and near[place, other] > 0
        ][:k]
        for place, row in enumerate(records)
    ]


@given(st.data())
def test_it_is_what_comparing_all_with_all_gives_in_any_order(data: Any) -> None:
    count, k = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 5))
    number = st.integers(-2, 2).map(float)
    matrix = data.draw(st.lists(st.lists(number, min_size=3, max_size=3), min_size=count, max_size=count))
    groups = data.draw(st.lists(st.sampled_from("abc"), min_size=count, max_size=count))
    offered = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    rows = rows_of(groups, offered)
    vectors = Vectors(rows["id"], np.array(matrix, dtype=np.float32))
    expected = by_hand(rows, vectors, k)
    assert nearest(rows, vectors, k)["nearest"].to_list() == expected
    turned = nearest(rows.reverse(), vectors, k)
    assert turned["id"].to_list() == rows["id"].to_list()[::-1]
    assert turned["nearest"].to_list() == expected[::-1]


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of([str(place // 2) for place in range(60)])
    vectors = Vectors(rows["id"], np.random.default_rng(0).normal(size=(60, 8)).astype(np.float16))
    whole = nearest(rows, vectors, 4)
    monkeypatch.setattr(module, "ROWS", 7)
    monkeypatch.setattr(module, "OTHERS", 5)
    assert nearest(rows, vectors, 4).equals(whole)
    assert whole["nearest"].to_list() == by_hand(rows, vectors, 4)


def test_copies_tie_and_go_by_id() -> None:
    rows = rows_of(["a", "b", "c", "d"])
    vectors = Vectors(rows["id"], np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=np.float32))
    assert nearest(rows, vectors, 1)["nearest"].to_list() == [["001"], ["000"], ["000"], []]


def test_of_no_rows_there_are_none() -> None:
    rows = rows_of([])
    assert nearest(rows, Vectors(rows["id"], np.zeros((0, 1), dtype=np.float32)), 3).is_empty()

"""Which rows belong to which."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from filters.children import children_of

TYPES = {"id": pl.String, "sample_id": pl.String, "parent_id": pl.String}


def owners(rows, *below):
    table = pl.DataFrame({"id": rows}, schema={"id": pl.String})
    made = pl.DataFrame([(f"r{i}", *row) for i, row in enumerate(below)], schema=TYPES, orient="row")
    return dict(children_of(table, made).select("id", "owner").iter_rows())


def test_a_row_belongs_to_its_parent_else_to_its_sample_else_to_nobody() -> None:
    below = [("s", "s"), ("s", "d"), ("t", "e"), ("u", None)]
    assert owners(["s"], *below) == {"r0": "s", "r1": "s"}
    assert owners(["d", "e"], *below) == {"r1": "d", "r2": "e"}
    assert owners(["d", "t"], *below) == {"r1": "d", "r2": "t"}
    assert owners([], *below) == {}


@given(
    st.lists(st.tuples(st.sampled_from("st"), st.sampled_from("stde")), max_size=12), st.sets(st.sampled_from("stde"))
)
def test_nobody_belongs_to_two_and_only_to_rows_that_there_are(below, rows) -> None:
    found = owners(sorted(rows), *below)
    assert set(found.values()) <= rows
    assert len(found) == sum(bool(rows & set(row)) for row in below)

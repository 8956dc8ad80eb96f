"""Places among the rows of a parent, by hand, and their laws."""

from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.select.trace_choice import COLUMNS, Take, farthest, places

SCHEMA = dict(zip(COLUMNS, (pl.String, pl.String, pl.Int32, pl.Int32, pl.String), strict=True))


def traces(*rows: tuple[str, int, str]) -> pl.DataFrame:
    """Traces t0, t1, … of (parent, tokens, text)."""
    full = [(f"t{i}", parent, i, tokens, text) for i, (parent, tokens, text) in enumerate(rows)]
    return pl.DataFrame(full, schema=SCHEMA, orient="row")


THREE = traces(("a", 30, "x"), ("a", 10, "y"), ("a", 20, "z"), ("b", 5, "x"))


def picked(table: pl.DataFrame, take: Take, most: int = 1, seed: int = 0) -> list[str]:
    found = places(table, take, most, 0.5, seed)
    return found.filter(pl.col("place") < most)["id"].sort().to_list()


def test_the_shortest() -> None:
    assert dict(places(THREE, "shortest", 1, 0.5, 0).iter_rows()) == {"t1": 0, "t2": 1, "t0": 2, "t3": 0}


def test_the_code_of_openvlthinker_takes_the_second_longest() -> None:
    assert picked(THREE, "second_longest") == ["t2", "t3"]


def test_longer_ones_are_drawn_more_often() -> None:
    table = traces(*[(f"s{i:04d}", 10 + j, "x") for i in range(4_000) for j in range(3)])
    first = table.join(places(table, "length_weighted", 1, 0.5, 1), on="id").filter(pl.col("place") == 0)
    shares = first["tokens"].value_counts(normalize=True).sort("tokens")["proportion"].to_list()
    # Weights 1/4, 1/2, 1 of 7/4: shares 1/7, 2/7, 4/7; standard error 0.008.
    assert shares == pytest.approx([1 / 7, 2 / 7, 4 / 7], abs=0.03)


def test_diverse_takes_what_is_least_alike() -> None:
    texts = [
        "the red cube is left",
        "the red cube is left of it",
        "count all shapes one by one",
        "the red cube is right",
    ]
    # Pairs with the first: 4 of 6 shared; none; 3 of 5. So 2 comes next; then 3 (3/5 to the first) before 1 (4/6).
    assert farthest(texts, 3) == [0, 2, 3]
    assert farthest(["", ""], 5) == [0, 1]
    assert farthest([], 2) == []
    assert picked(traces(*[("a", 9, text) for text in texts]), "diverse", 2) == ["t0", "t2"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.sampled_from(["p q", "p q r", "s t"])), max_size=12
    ),
    st.sampled_from(get_args(Take)),
    st.integers(1, 3),
)
def test_laws(rows: list[tuple[str, int, str]], take: Take, most: int) -> None:
    table = traces(*rows)
    kept = picked(table, take, most)
    have = dict(table.group_by("parent_id").len().iter_rows())
    got = dict(table.filter(pl.col("id").is_in(kept)).group_by("parent_id").len().iter_rows())
    assert got == {parent: min(most, count) for parent, count in have.items()}
    assert picked(table.sample(fraction=1, shuffle=True, seed=3), take, most) == kept
    # Rows of other parents change nothing.
    alone = table.filter(pl.col("parent_id") == "a")
    assert picked(alone, take, most) == sorted(set(kept) & set(alone["id"]))

"""Variance-aware selection and its control."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from filters.select.variance import SelectConfig, random_control, select_variance

SCHEMA = {"id": pl.String, "k": pl.Int32, "n": pl.Int32}


def rows(*counts: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame([(f"{i:03d}", k, n) for i, (k, n) in enumerate(counts)], schema=SCHEMA, orient="row")


def test_reasons() -> None:
    parted = select_variance(rows((0, 8), (8, 8), (4, 8), (1, 8)), SelectConfig(budget=1), seed=0)
    assert parted.kept["id"].to_list() == ["002"]
    assert dict(parted.dropped.select("id", "reason").iter_rows()) == {
        "000": "select:too_hard",
        "001": "select:too_easy",
        "003": "select:budget",
    }


def test_the_window_is_in_counts() -> None:
    config = SelectConfig(budget=10, min_correct=2, min_wrong=3)
    parted = select_variance(rows((1, 8), (2, 8), (5, 8), (6, 8)), config, seed=0)
    assert sorted(parted.kept["id"]) == ["001", "002"]


def test_a_share_of_the_candidates() -> None:
    parted = select_variance(rows(*[(4, 8)] * 10), SelectConfig(budget=0.3), seed=0)
    assert parted.kept.height == 3


def test_best_first() -> None:
    parted = select_variance(rows((1, 8), (4, 8), (2, 8)), SelectConfig(budget=3), seed=0)
    assert parted.kept["rank"].to_list() == [0, 1, 2]
    assert parted.kept["value"].is_sorted(descending=True)


def test_no_candidates() -> None:
    parted = select_variance(rows(), SelectConfig(), seed=0)
    assert parted.kept.is_empty()
    assert random_control(rows(), 3, 0).is_empty()


@given(st.lists(st.tuples(st.integers(0, 8), st.just(8)), max_size=30), st.integers(1, 20), st.integers(0, 3))
def test_laws(counts: list[tuple[int, int]], budget: int, seed: int) -> None:
    table = rows(*counts)
    parted = select_variance(table, SelectConfig(budget=budget), seed)
    assert sorted([*parted.kept["id"], *parted.dropped["id"]]) == table["id"].to_list()
    assert parted.kept.height <= budget
    shuffled = select_variance(table.sample(fraction=1, shuffle=True, seed=1), SelectConfig(budget=budget), seed)
    assert shuffled.kept["id"].to_list() == parted.kept["id"].to_list()
    again = select_variance(parted.kept.select("id", "k", "n"), SelectConfig(budget=budget), seed)
    assert again.dropped.is_empty()
    control = random_control(table, parted.kept.height, seed)
    assert control.height == parted.kept.height
    assert set(control["id"]) <= set(table["id"])

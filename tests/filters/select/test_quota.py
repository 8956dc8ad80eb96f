"""Quotas: seats dealt by hand, short cells, and the laws."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.select.bands import BandConfig, difficulty_band
from filters.select.quota import QuotaConfig, allot, cells, draw
from schemas.errors import ConfigError

SIZES = st.dictionaries(st.text("abcde", min_size=1, max_size=3), st.integers(0, 40), min_size=1, max_size=6)


def table(**sizes: int) -> pl.DataFrame:
    return pl.DataFrame({"source": list(sizes), "available": list(sizes.values())})


def seats(sizes: dict[str, int], budget: int, config: QuotaConfig) -> dict[str, int]:
    got = allot(table(**sizes), budget, config)
    return dict(zip(got["source"].to_list(), got["quota"].to_list(), strict=True))


def test_proportional_by_hand() -> None:
    """10 seats over 47, 31, 22: 4.7, 3.1, 2.2 gives 4, 3, 2, and the seat left goes to the largest fraction."""
    assert seats({"a": 47, "b": 31, "c": 22}, 10, QuotaConfig()) == {"a": 5, "b": 3, "c": 2}


def test_a_tie_goes_to_the_first_label() -> None:
    assert seats({"c": 9, "a": 9, "b": 9}, 4, QuotaConfig(shares="equal")) == {"a": 2, "b": 1, "c": 1}


def test_named_shares_are_exact_decimals() -> None:
    got = seats({"a": 99, "b": 99, "c": 99}, 30, QuotaConfig(shares={"a": 0.1, "b": 0.2, "c": 0.7}))
    assert got == {"a": 3, "b": 6, "c": 21}


@pytest.mark.parametrize(
    ("short", "wanted"),
    [
        # Shares 1:1:2 of 20 are 5, 5, 10; `a` has 2. Its three seats are spread 1:2, left empty, or all shrink to 2, 2, 4.
        ("spread", {"a": 2, "b": 6, "c": 12}),
        ("leave", {"a": 2, "b": 5, "c": 10}),
        ("stop", {"a": 2, "b": 2, "c": 4}),
    ],
)
def test_a_short_cell_by_hand(short: str, wanted: dict[str, int]) -> None:
    config = QuotaConfig.model_validate({"shares": {"a": 1, "b": 1, "c": 2}, "short": short})
    assert seats({"a": 2, "b": 50, "c": 50}, 20, config) == wanted


def test_caps_and_others() -> None:
    config = QuotaConfig(shares={"a": 0.5, "*": 0.5}, caps={"a": 3, "*": 6})
    assert seats({"a": 100, "b": 10, "c": 30}, 12, config) == {"a": 3, "b": 3, "c": 6}


def test_a_cell_without_a_share_gets_nothing() -> None:
    assert seats({"a": 3, "b": 50}, 20, QuotaConfig(shares={"a": 1.0})) == {"a": 3, "b": 0}


def test_labels_of_several_columns_and_null() -> None:
    rows = pl.DataFrame({"source": ["x", "x", None], "kind": ["choice", "choice", "number"]})
    counted = cells(rows, ("source", "kind"))
    assert counted["available"].to_list() == [1, 2]
    config = QuotaConfig(by=("source", "kind"), shares={"x/choice": 1, "none/number": 1})
    assert allot(counted, 2, config)["quota"].to_list() == [1, 1]


def test_bad_configs_and_labels() -> None:
    for shares in ({"a": -1.0}, {"a": 0.0}, {"a": float("inf")}, {"a": float("nan")}):
        with pytest.raises(ValidationError):
            QuotaConfig(shares=shares)
    with pytest.raises(ConfigError, match="names none of the cells"):
        seats({"a": 1}, 1, QuotaConfig(shares={"b": 1.0}))
    with pytest.raises(ConfigError, match="negative"):
        seats({"a": 1}, -1, QuotaConfig())
    same = pl.DataFrame({"source": ["a/b", "a"], "kind": ["c", "b/c"], "available": [1, 1]})
    with pytest.raises(ConfigError, match="same label"):
        allot(same, 1, QuotaConfig(by=("source", "kind")))
    assert allot(table(), 5, QuotaConfig()).is_empty()


@given(SIZES, st.integers(0, 120), st.sampled_from([None, "equal"]), st.integers(0, 20) | st.none())
def test_laws_of_seats(sizes: dict[str, int], budget: int, shares: str | None, cap: int | None) -> None:
    caps = {} if cap is None else {"*": cap}
    config = QuotaConfig.model_validate({"shares": shares, "caps": caps})
    got = seats(sizes, budget, config)
    room = {name: size if cap is None else min(size, cap) for name, size in sizes.items()}
    assert all(0 <= got[name] <= room[name] for name in sizes)
    assert sum(got.values()) == min(budget, sum(room.values()))
    assert got == seats(dict(reversed(sizes.items())), budget, config)


@given(SIZES, st.integers(0, 60), st.integers(1, 9))
def test_rows_added_to_a_cell_that_was_not_short_change_nothing(sizes: dict[str, int], budget: int, more: int) -> None:
    config = QuotaConfig(shares="equal")
    before = seats(sizes, budget, config)
    for name, size in sizes.items():
        if before[name] < size:
            assert seats(sizes | {name: size + more}, budget, config) == before


@given(SIZES, st.integers(0, 60), st.data())
def test_stop_holds_the_shares(sizes: dict[str, int], budget: int, data: st.DataObject) -> None:
    weights = {name: data.draw(st.integers(1, 9)) for name in sizes}
    got = seats(sizes, budget, QuotaConfig.model_validate({"shares": weights, "short": "stop"}))
    total, whole = sum(got.values()), sum(weights.values())
    assert total <= budget
    assert all(abs(got[name] - total * weights[name] / whole) < 1 and got[name] <= sizes[name] for name in sizes)


def test_draw_takes_the_best_of_each_cell() -> None:
    rows = pl.DataFrame({"id": ["p", "q", "r", "s"], "rank": [3, 1, 2, 0], "source": ["a", "a", "a", None]})
    quotas = pl.DataFrame({"source": ["a", None], "quota": [2, 1]})
    assert draw(rows, quotas, ("source",)).to_list() == ["s", "q", "r"]
    assert draw(rows.reverse(), quotas, ("source",)).to_list() == ["s", "q", "r"]
    assert draw(rows, quotas.head(1), ("source",)).to_list() == ["q", "r"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=30), st.integers(0, 30))
def test_draw_meets_quotas(given_rows: list[tuple[str, int]], budget: int) -> None:
    rows = pl.DataFrame(
        [(f"r{number:02d}", rank, source) for number, (source, rank) in enumerate(given_rows)],
        schema={"id": pl.String, "rank": pl.Int64, "source": pl.String},
        orient="row",
    )
    quotas = allot(cells(rows, ("source",)), budget, QuotaConfig(shares="equal"))
    taken = rows.filter(pl.col("id").is_in(draw(rows, quotas, ("source",)).implode()))
    assert taken.height == min(budget, rows.height)
    counts = dict(taken.group_by("source").len().iter_rows())
    assert all(counts.get(source, 0) == quota for source, _, quota in quotas.iter_rows())


@given(st.lists(st.sampled_from("ab"), max_size=20), st.lists(st.sampled_from("abc"), max_size=9), st.integers(0, 9))
def test_rows_that_rank_behind_change_no_draw(old: list[str], new: list[str], seats_each: int) -> None:
    names = [f"r{number:02d}" for number in range(len(old) + len(new))]
    rows = pl.DataFrame({"id": names, "source": [*old, *new]}, schema={"id": pl.String, "source": pl.String})
    rows = rows.with_columns(pl.int_range(pl.len()).alias("rank"))
    quotas = pl.DataFrame({"source": ["a", "b"], "quota": [min(seats_each, old.count(name)) for name in "ab"]})
    before = draw(rows.head(len(old)), quotas, ("source",))
    assert before.to_list() == draw(rows, quotas, ("source",)).to_list()


def test_bands_by_counts() -> None:
    rows = pl.DataFrame({"k": [0, 1, 2, 3, 4, 7, 8, 0, None], "n": [8, 8, 16, 8, 16, 8, 8, 0, 8]})
    got = rows.select(difficulty_band(pl.col("k"), pl.col("n"), BandConfig()))["band"].to_list()
    assert got == ["never", "hard", "hard", "medium", "hard", "easy", "always", None, None]
    for ends in ({}, {"hard": 0, "easy": 8}, {"hard": 5, "easy": 5}, {"hard": 2, "easy": 7}):
        with pytest.raises(ValidationError):
            BandConfig(ends=ends)

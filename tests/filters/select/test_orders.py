"""Orders by hand, and that each is a permutation that nothing unrelated disturbs."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from filters.select.ladder import BARS, LadderConfig, climb, swaps
from filters.select.orders import COLUMNS, OrderConfig, arrange


def order(value: dict[str, object]) -> OrderConfig:
    return TypeAdapter(OrderConfig).validate_python(value)


def rows(**columns: list[object]) -> pl.DataFrame:
    made = pl.DataFrame(columns)
    return made.with_columns(pl.Series("id", [chr(ord("a") + i) for i in range(made.height)]))


def ids(table: pl.DataFrame, **config: object) -> str:
    placed = arrange(table, order(config), seed=0)
    assert placed["order"].to_list() == list(range(table.height))
    return "".join(placed["id"])


def test_by_difficulty() -> None:
    table = rows(k=[2, 8, 0, 4], n=[8, 8, 8, 8])
    assert ids(table, type="easy_to_hard") == "bdac"
    assert ids(table, type="hard_to_easy") == "cadb"


def test_curriculum_is_difficulty_then_complexity() -> None:
    table = rows(k=[4, 4, 8, 0], n=[8, 8, 8, 8], tokens=[200.0, 50.0, 900.0, 1.0])
    assert ids(table, type="curriculum") == "cbad"


def test_forms() -> None:
    assert ids(rows(form=["open", "binary", "choice", "odd"]), type="forms") == "bcad"


def test_prioritised_draws_by_failure() -> None:
    table = pl.DataFrame({"id": [f"{i:05d}" for i in range(20_000)], "k": [2, 6] * 10_000, "n": [8] * 20_000})
    first = arrange(table, order({"type": "prioritised"}), seed=0).head(1_000).join(table, on="id")
    # 1 - 2/8 against 1 - 6/8 is 3 : 1; a little less while the wanted ones run out; standard error 0.014.
    assert 0.69 < (first["k"] == 2).mean() < 0.81  # type: ignore[operator]
    assert ids(rows(k=[8, 0], n=[8, 8]), type="prioritised") == "ba"


def test_length_weighted_leads_with_the_long() -> None:
    table = pl.DataFrame({"id": [f"{i:03d}" for i in range(200)], "tokens": [float(i) for i in range(200)]})
    firsts = [arrange(table, order({"type": "length_weighted"}), seed)["id"][0] for seed in range(300)]
    # Weights 1, 1/2, 1/4, …: the longest is first in half of all draws; standard deviation 8.7 of 300.
    assert 115 < firsts.count("199") < 185


def test_neighbours_swap_what_the_shares_ask() -> None:
    # Two levels of 100 that keep 3/4 swap 25; three, the middle one a half: 25 on either side.
    assert swaps(np.array([100, 100]), np.array([0.75, 0.75])).tolist() == [25]
    assert swaps(np.array([100, 100, 100]), np.array([0.75, 0.5, 0.75])).tolist() == [25, 25]
    # A level without rows has nothing to swap.
    assert swaps(np.array([0, 100, 0]), np.array([0.75, 0.5, 0.75])).tolist() == [0, 0]


def test_the_ladder_has_the_shares_of_the_figure() -> None:
    # The figure's overall shares by difficulty, of 10,000 rows.
    counts = [150, 350, 500, 750, 1350, 1500, 1500, 2000, 1900]
    k = pl.Series([8 - level for level, count in enumerate(counts) for _ in range(count)])
    level = 8 - k.to_numpy()
    climbed = level[climb(k, pl.Series([8] * len(k)), LadderConfig())]
    assert sorted(climbed.tolist()) == level.tolist()
    at = 0
    for step, count in enumerate(counts):
        piece = climbed[at : at + count]
        assert (piece == step).mean() == pytest.approx(BARS[step], abs=0.05)
        assert set(piece.tolist()) <= {step - 1, step, step + 1}
        at += count


def test_a_share_of_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="above 0"):
        LadderConfig(own=(0.0, 0.5))


@pytest.mark.parametrize("name", ["easy_to_hard", "hard_to_easy", "curriculum", "prioritised"])
def test_a_row_without_counts_comes_last(name: str) -> None:
    table = pl.DataFrame(
        {"id": ["a", "b", "c", "d"], "k": [None, 8, 0, 4], "n": [None, 8, 8, 8], "tokens": [1.0, 2.0, 3.0, 4.0]}
    )
    for seed in range(8):
        assert arrange(table, order({"type": name}), seed)["id"][-1] == "a"


@pytest.mark.parametrize("config", list(COLUMNS))
@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from([1.0, 2.0, 3.0])), max_size=30), st.integers(0, 3))
def test_every_order_is_a_permutation(config: type, given_: list[tuple[int, float]], seed: int) -> None:
    types = TypeAdapter(OrderConfig).json_schema()["discriminator"]["mapping"]
    name = next(t for t in types if type(order({"type": t})) is config)
    schema = {"k": pl.Int32, "tokens": pl.Float64}
    table = pl.DataFrame(given_, schema=schema, orient="row").with_columns(
        pl.Series("id", [f"{i:03d}" for i in range(len(given_))], dtype=pl.String),
        n=pl.lit(8, pl.Int32),
        form=pl.lit("open"),
    )
    placed = arrange(table, order({"type": name}), seed)
    assert sorted(placed["id"]) == table["id"].to_list()
    again = arrange(table.sample(fraction=1, shuffle=True, seed=2), order({"type": name}), seed)
    assert again.equals(placed)
    if config is not LadderConfig and name != "length_weighted":
        fewer = arrange(table.filter(pl.col("k") != 3), order({"type": name}), seed)
        assert fewer["id"].to_list() == [i for i in placed["id"] if i in set(fewer["id"])]

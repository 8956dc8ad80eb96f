"""Selection by hand, and its laws."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.dedup.vectors import Vectors
from filters.select.coverage import CoverageConfig
from filters.select.draw import DrawConfig, place, size
from filters.select.nearness import nearness
from filters.select.quota import QuotaConfig
from filters.select.rules.mm_eureka import MMEurekaConfig
from filters.select.rules.variance import VarianceConfig
from filters.select.select import Selection, control, select
from schemas.errors import ConfigError, StepError

SCHEMA = {"id": pl.String, "k": pl.Int32, "n": pl.Int32}


def rows(*counts: tuple[int | None, int]) -> pl.DataFrame:
    return pl.DataFrame([(f"{i:03d}", k, n) for i, (k, n) in enumerate(counts)], schema=SCHEMA, orient="row")


def reasons(dropped: pl.DataFrame) -> dict[str, str]:
    return dict(dropped.select("id", "reason").iter_rows())


def test_reasons() -> None:
    parted = select(rows((0, 8), (8, 8), (4, 8), (1, 8), (None, 8)), Selection(budget=1), seed=0)
    assert parted.kept["id"].to_list() == ["002"]
    assert parted.kept.row(0, named=True)["value"] == 0.25
    assert parted.kept["evidence"].to_list() == ['{"k":4,"n":8,"value":0.25,"rank":0}']
    assert reasons(parted.dropped) == {
        "000": "select:too_hard",
        "001": "select:too_easy",
        "003": "select:budget",
        "004": "select:unmeasured",
    }


def test_an_unmeasured_row_shows_what_is_known_of_it() -> None:
    table = rows((4, 8)).with_columns(score_std=pl.lit(None, pl.Float64), kind=pl.lit("spans"))
    dropped = select(table, Selection(rule="temporal_r1"), seed=0).dropped
    assert dropped["reason"].to_list() == ["select:unmeasured"]
    assert json.loads(dropped["evidence"][0]) == {
        "k": 4, "n": 8, "score_std": None, "kind": "spans", "value": None, "rank": None, "budget": 0,
    }  # fmt: skip


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("rule", ["rita", "discrepancy", "univg_r1", {"type": "column", "by": "grade"}])
def test_a_number_that_is_none_is_unmeasured(rule: object, number: float) -> None:
    """A build ended, as the rule `gave 1 samples that pass no value`."""
    numbers = {name: [number, 0.5] for name in ("score_std", "mean_score", "grade")}
    split = select(
        rows((2, 8), (2, 8)).with_columns(**{k: pl.Series(v) for k, v in numbers.items()}), Selection(rule=rule), 0
    )
    assert split.dropped["reason"].to_list() == ["select:unmeasured"]
    assert split.kept.height == 1


@pytest.mark.parametrize("name", ["value", "rank", "weight", "order", "budget", "id"])
def test_no_column_has_the_name_of_what_select_writes(name: str) -> None:
    for section in ({"rule": {"type": "column", "by": name}}, {"quotas": {"by": [name]}}):
        with pytest.raises(
            ValidationError, match=f"`{name}` is what select itself says of a row; write the column's address"
        ):
            Selection.model_validate(section)
    assert Selection.model_validate({"rule": {"type": "column", "by": f"judge.{name}"}})


def test_the_evidence_holds_what_decided() -> None:
    """A full cell is named with its seats, a budget told, and a rule's number shown though the rule does not repeat it."""
    table = rows((4, 8), (4, 8), (8, 8), (3, 8)).with_columns(
        source=pl.Series(["a", "a", "b", "b"]), k_guess=pl.Series([0, 0, 0, 1])
    )
    rule = {"type": "kimi", "drop_trivial": False, "drop_guessed": True}
    config = Selection.model_validate(
        {"rule": rule, "draw": {"how": "top"}, "budget": 2, "quotas": {"shares": "equal"}}
    )
    dropped = {id_: (reason, json.loads(told)) for id_, reason, told in select(table, config, seed=0).dropped.rows()}
    reason, told = dropped.pop("003")
    assert (reason, told["k_guess"]) == ("select:guessed", 1)
    [(reason, told)] = dropped.values()
    assert reason == "select:quota"
    assert {name: told[name] for name in ("rank", "budget", "cell", "seats")} == {
        "rank": 1, "budget": 2, "cell": "a", "seats": 1
    }  # fmt: skip


def test_the_window_is_in_counts() -> None:
    config = Selection(rule=VarianceConfig(min_correct=2, min_wrong=3))
    parted = select(rows((1, 8), (2, 8), (5, 8), (6, 8)), config, seed=0)
    assert sorted(parted.kept["id"]) == ["001", "002"]


def test_a_share_of_the_candidates_and_no_budget() -> None:
    table = rows(*[(4, 8)] * 10, (0, 8))
    assert select(table, Selection(budget=0.3), seed=0).kept.height == 3
    assert select(table, Selection(), seed=0).kept.height == 10
    assert size(0.1, 30, 30) == 3
    assert size(0.5, 5, 5) == 3
    with pytest.raises(ConfigError, match=r"2\.5"):
        size(2.5, 5, 5)


def test_best_first() -> None:
    parted = select(rows((1, 8), (4, 8), (2, 8)), Selection(budget=3), seed=0)
    assert parted.kept["id"].to_list() == ["001", "002", "000"]
    assert parted.kept["rank"].to_list() == [0, 1, 2]


def test_quotas_and_a_control_with_the_same_cells() -> None:
    table = rows(*[(4, 8)] * 6, *[(1, 8)] * 6).with_columns(source=pl.Series(["a"] * 6 + ["b"] * 6))
    config = Selection(budget=4, quotas=QuotaConfig(shares="equal"))
    parted = select(table, config, seed=0)
    assert parted.kept["source"].value_counts().sort("source")["count"].to_list() == [2, 2]
    # By value alone, 4 of the 6 rows of source a would have been taken: 2 of them lost their place to the quota.
    assert sorted(reasons(parted.dropped).values()).count("select:quota") == 2
    beside = table.join(control(table, parted.kept, config, seed=0), on="id")
    assert beside["source"].value_counts().sort("source")["count"].to_list() == [2, 2]


def test_no_candidates() -> None:
    parted = select(rows(), Selection(), seed=0)
    assert parted.kept.is_empty()
    assert parted.dropped.is_empty()
    assert control(rows(), rows(), Selection(), 0).is_empty()


def test_a_weighted_draw_follows_the_values() -> None:
    table = pl.DataFrame({"id": [f"{i:05d}" for i in range(20_000)], "value": [3.0, 1.0] * 10_000})
    first = place(table, "weighted", DrawConfig(), 2_000, seed=1).head(2_000).join(table, on="id")
    # 3 : 1 while hardly anything is taken; by hand about 0.745 after a tenth, standard error 0.01.
    assert 0.71 < (first["value"] == 3.0).mean() < 0.78  # type: ignore[operator]
    nothing = table.with_columns(value=pl.lit(0.0))
    assert place(nothing, "weighted", DrawConfig(), 5, seed=1).height == 20_000


def test_a_mixture_draws_with_replacement() -> None:
    table = pl.DataFrame({"id": ["a", "b", "c", "d"], "value": [1.0, 0.0, 0.0, 0.0]})
    drawn = place(table, "mixture", DrawConfig(by_value="3/4"), 8, seed=0)
    # 6 draws by value can only be a; the other 2 walk a permutation and name two different rows.
    by_id = dict(drawn.select("id", "draws").iter_rows())
    assert sum(by_id.values()) == 8
    assert by_id["a"] in {6.0, 7.0}
    big = pl.DataFrame({"id": [f"{i:05d}" for i in range(3_000)], "value": [3.0, 1.0, 0.0] * 1_000})
    counts = place(big, "mixture", DrawConfig(by_value=1), 8_000, seed=0).join(big, on="id")
    by_value = dict(counts.group_by("value").agg(pl.sum("draws")).iter_rows())
    # 8,000 draws at 3 : 1 are 6,000 and 2,000; standard deviation 39. With replacement, so more than a row each.
    assert abs(by_value[3.0] - 6_000) < 200
    assert abs(by_value[1.0] - 2_000) < 200


def test_windows_are_exact() -> None:
    table = rows((1, 10), (9, 10), (0, 10), (10, 10), (1, 8), (7, 8), (1, 16), (15, 16))
    parted = select(table, Selection(rule=MMEurekaConfig()), seed=0)
    assert sorted(parted.kept["id"]) == ["000", "001", "004", "005"]
    offline = select(table, Selection(rule=MMEurekaConfig(variant="offline")), seed=0)
    assert sorted(offline.kept["id"]) == ["000", "001", "004", "005", "006", "007"]
    assert MMEurekaConfig(low="1/8", high=0.3).model_dump(mode="json")["high"] == "3/10"
    with pytest.raises(ValidationError, match="between 0 and 1"):
        MMEurekaConfig(low=1.5)


@given(st.lists(st.tuples(st.integers(0, 8), st.just(8)), max_size=30), st.integers(1, 20), st.integers(0, 3))
def test_laws(counts: list[tuple[int, int]], budget: int, seed: int) -> None:
    table = rows(*counts)
    config = Selection(budget=budget)
    parted = select(table, config, seed)
    assert sorted([*parted.kept["id"], *parted.dropped["id"]]) == table["id"].to_list()
    assert parted.kept.height <= budget
    shuffled = select(table.sample(fraction=1, shuffle=True, seed=1), config, seed)
    assert shuffled.kept["id"].to_list() == parted.kept["id"].to_list()
    assert select(parted.kept.select("id", "k", "n"), config, seed).dropped.is_empty()
    beside = control(table, parted.kept, config, seed)
    assert beside.height == parted.kept.height
    assert set(beside["id"]) <= set(table["id"])


def on_circle(*degrees: float) -> Vectors:
    """One vector a row of `rows`, at these angles."""
    angles = np.deg2rad(degrees)
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return Vectors(pl.Series([f"{i:03d}" for i in range(len(degrees))]), matrix)


def test_coverage_takes_one_of_each_crowd() -> None:
    """Two crowds of three. The worthiest two are of one crowd; two seats cover both by the middle row of each."""
    table = rows((8, 16), (7, 16), (6, 16), (3, 16), (2, 16), (1, 16))
    vectors = on_circle(0, 20, 10, 180, 190, 200)
    parted = select(table, Selection(budget=2, coverage=CoverageConfig(value_weight=0)), 0, vectors)
    assert parted.kept["id"].to_list() == ["002", "004"]
    assert parted.kept["rank"].to_list() == [2, 4], "rank is by worth alone"
    assert reasons(parted.dropped) == {
        "000": "select:covered",
        "001": "select:covered",
        "003": "select:budget",
        "005": "select:budget",
    }
    worth = select(table, Selection(budget=2, coverage=CoverageConfig(value_weight=1)), 0, vectors)
    assert worth.kept.equals(select(table, Selection(budget=2), 0).kept)
    assert worth.kept["id"].to_list() == ["000", "001"]
    equal = rows(*[(4, 8)] * 6)
    tied = select(equal, Selection(budget=3, coverage=CoverageConfig(value_weight=1)), 0, vectors)
    assert tied.kept.equals(select(equal, Selection(budget=3), 0).kept)


def test_coverage_keeps_quotas_and_the_control_has_the_same_cells() -> None:
    table = rows(*[(4, 8)] * 6, *[(1, 8)] * 6).with_columns(source=pl.Series(["a"] * 6 + ["b"] * 6))
    vectors = on_circle(*range(0, 360, 30))
    for method in ("facility_location", "k_center"):
        config = Selection(budget=4, quotas=QuotaConfig(shares="equal"), coverage=CoverageConfig(method=method))  # type: ignore[arg-type]
        parted = select(table, config, 0, vectors)
        assert parted.kept["source"].value_counts().sort("source")["count"].to_list() == [2, 2]
        beside = table.join(control(table, parted.kept, config, seed=0), on="id")
        assert beside["source"].value_counts().sort("source")["count"].to_list() == [2, 2]


def test_coverage_needs_vectors_a_budget_and_no_draw() -> None:
    config = Selection(budget=1, coverage=CoverageConfig())
    with pytest.raises(StepError, match=r"select\.coverage compares vectors, and was given none"):
        select(rows((4, 8)), config, 0)
    with pytest.raises(StepError, match="has no vector for 1 of 2 rows, first 001"):
        select(rows((4, 8), (4, 8)), config, 0, on_circle(0))
    with pytest.raises(ValidationError, match="set a budget"):
        Selection(coverage=CoverageConfig())
    with pytest.raises(ValidationError, match=r"set draw\.how to top \(it is weighted\)"):
        Selection.model_validate({"rule": "kimi", "budget": 2, "coverage": {}})


def test_how_near_a_row_is_to_the_nearest_chosen_one() -> None:
    """Angles 0, 60, 180: to row 0 the cosines are 1, 1/2 and -1; to rows 0 and 2 they are 1, 1/2 and 1."""
    vectors, every = on_circle(0, 60, 180), pl.Series(["000", "001", "002"])
    assert nearness(vectors, every, pl.Series(["000"]), 0) == pytest.approx(0.5 / 3, abs=1e-4)
    assert nearness(vectors, every, pl.Series(["000", "002"]), 0) == pytest.approx(2.5 / 3, abs=1e-4)
    assert nearness(vectors, every[:2], pl.Series(["002"]), 0) == pytest.approx(-0.75, abs=1e-4)
    assert nearness(vectors, every, every.clear(), 0) is None
    assert nearness(vectors, every.clear(), every, 0) is None


@pytest.mark.parametrize("how", ["weighted", "mixture"])
def test_what_is_worth_less_than_nothing_is_not_drawn_by_value(how: str) -> None:
    """By `take: least` all values are negative, so that every draw went by id."""
    rule = {"type": "column", "by": "grade", "take": "least"}
    with pytest.raises(ValidationError, match="less than nothing"):
        Selection.model_validate({"rule": rule, "budget": 2, "draw": {"how": how}})
    assert Selection.model_validate({"rule": rule, "budget": 2}).budget == 2

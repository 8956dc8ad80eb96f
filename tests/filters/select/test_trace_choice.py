"""Picks among right traces, by hand, and their laws."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.select.trace_choice import TracesConfig, farthest, pick_traces

SCHEMA = {"id": pl.String, "sample_id": pl.String, "index": pl.Int32, "tokens": pl.Int32, "reasoning": pl.String}


def traces(*rows: tuple[str, int, str]) -> pl.DataFrame:
    """Traces t0, t1, … of (sample, tokens, text)."""
    full = [(f"t{i}", sample, i, tokens, text) for i, (sample, tokens, text) in enumerate(rows)]
    return pl.DataFrame(full, schema=SCHEMA, orient="row")


THREE = traces(("a", 30, "x"), ("a", 10, "y"), ("a", 20, "z"), ("b", 5, "x"))


def picked(table: pl.DataFrame, **config: object) -> list[str]:
    return pick_traces(table, TracesConfig.model_validate(config), 0).kept["id"].to_list()


def test_all_is_the_default() -> None:
    assert picked(THREE) == ["t0", "t1", "t2", "t3"]


def test_the_shortest() -> None:
    parted = pick_traces(THREE, TracesConfig(pick="shortest"), 0)
    assert parted.kept["id"].to_list() == ["t1", "t3"]
    assert parted.kept.columns == list(SCHEMA)
    assert dict(parted.dropped.select("id", "reason").iter_rows()) == {"t0": "pick:longer", "t2": "pick:longer"}
    assert parted.dropped["evidence"][0] == '{"sample_id":"a","tokens":30,"place":2}'
    assert picked(THREE, pick="shortest", m=2) == ["t1", "t2", "t3"]


def test_the_code_of_openvlthinker_takes_the_second_longest() -> None:
    assert picked(THREE, pick="shortest", variant="code") == ["t2", "t3"]


def test_longer_ones_are_drawn_more_often() -> None:
    rows = [(f"s{i:04d}", 10 + j, "x") for i in range(4_000) for j in range(3)]
    kept = pick_traces(traces(*rows), TracesConfig(pick="length_weighted"), seed=1).kept
    shares = kept["tokens"].value_counts(normalize=True).sort("tokens")["proportion"].to_list()
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
    table = traces(*[("a", 9, text) for text in texts])
    parted = pick_traces(table, TracesConfig(pick="diverse", m=2), 0)
    assert parted.kept["id"].to_list() == ["t0", "t2"]
    assert set(parted.dropped["reason"]) == {"pick:alike"}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.sampled_from(["p q", "p q r", "s t"])), max_size=12
    ),
    st.sampled_from(["all", "shortest", "length_weighted", "diverse"]),
    st.integers(1, 3),
)
def test_laws(rows: list[tuple[str, int, str]], pick: str, m: int) -> None:
    table = traces(*rows)
    config = TracesConfig.model_validate({"pick": pick, "m": m})
    parted = pick_traces(table, config, 0)
    assert sorted([*parted.kept["id"], *parted.dropped["id"]]) == sorted(table["id"])
    have = dict(table.group_by("sample_id").len().iter_rows())
    got = dict(parted.kept.group_by("sample_id").len().iter_rows())
    assert got == {sample: count if pick == "all" else min(m, count) for sample, count in have.items()}
    mixed = pick_traces(table.sample(fraction=1, shuffle=True, seed=3), config, 0)
    assert set(mixed.kept["id"]) == set(parted.kept["id"])
    # Other questions' traces change nothing.
    alone = pick_traces(table.filter(pl.col("sample_id") == "a"), config, 0)
    assert set(alone.kept["id"]) == set(parted.kept.filter(pl.col("sample_id") == "a")["id"])

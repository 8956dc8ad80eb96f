"""Preference pairs: who meets whom, and why a prompt has no pair."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.preference import PreferenceConfig, draw_pairs, keep_paired

SCHEMA = {
    "id": pl.String,
    "sample_id": pl.String,
    "correct": pl.Boolean,
    "finish_reason": pl.String,
    "text_hash": pl.UInt64,
}


def responses(*rows: tuple[str, str, bool | None, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("a", "s", True, "stop", 1), ("b", "s", True, "stop", 2)], "prefer:no_wrong"),
        ([("a", "s", False, "stop", 1)], "prefer:no_right"),
        ([("a", "s", True, "stop", 1), ("b", "s", False, "length", 2)], "prefer:no_wrong"),
        ([("a", "s", True, "stop", 1), ("b", "s", None, "stop", 2)], "prefer:no_wrong"),
        ([("a", "s", True, "stop", 1), ("b", "s", False, "stop", 1)], "prefer:unclear"),
        ([], "prefer:no_right"),
    ],
)
def test_a_prompt_without_a_pair_says_why(rows: list[tuple[str, str, bool | None, str, int]], reason: str) -> None:
    table, config = responses(*rows), PreferenceConfig()
    prompts = pl.DataFrame({"id": ["s"]})
    parted, pairs = keep_paired(prompts, table, draw_pairs(table, config, 0), config, 0)
    assert pairs.height == 0
    assert parted.dropped["reason"].to_list() == [reason]


def test_a_right_response_meets_a_wrong_one_and_none_is_used_twice() -> None:
    table = responses(*[(f"r{i}", "s", i < 3, "stop", i) for i in range(8)])
    pairs = draw_pairs(table, PreferenceConfig(per_prompt=4), 0)
    assert pairs.height == 3
    assert set(pairs["chosen"]) == {"r0", "r1", "r2"}
    assert pairs["rejected"].n_unique() == 3
    assert pairs["index"].to_list() == [0, 1, 2]


def test_a_budget_drops_prompts_by_name() -> None:
    table = responses(*[(f"{s}{i}", s, i == 0, "stop", i) for s in "abcd" for i in range(2)])
    config = PreferenceConfig(max_pairs=3)
    prompts = pl.DataFrame({"id": list("abcd")})
    parted, pairs = keep_paired(prompts, table, draw_pairs(table, config, 0), config, 0)
    assert (pairs.height, parted.kept.height) == (3, 3)
    assert parted.dropped["reason"].to_list() == ["prefer:budget"]


response = st.tuples(
    st.sampled_from("stuv"),
    st.sampled_from([True, False, None]),
    st.sampled_from(["stop", "length"]),
    st.integers(0, 5),
)


@given(st.lists(response, max_size=40), st.integers(1, 3), st.none() | st.integers(1, 4))
def test_laws(rows: list[tuple[str, bool | None, str, int]], cap: int, most: int | None) -> None:
    table = responses(*[(f"r{i:02d}", *row) for i, row in enumerate(rows)])
    config = PreferenceConfig(per_prompt=cap, max_pairs=most)
    prompts = pl.DataFrame({"id": list("stuv")})
    parted, pairs = keep_paired(prompts, table, draw_pairs(table, config, 7), config, 7)
    assert sorted([*parted.kept["id"], *parted.dropped["id"]]) == list("stuv")
    assert pairs.group_by("id").len()["len"].max() in {None, *range(1, cap + 1)}
    assert most is None or pairs.height <= most
    verdict = dict(table.select("id", "correct").iter_rows())
    assert all(verdict[c] is True and verdict[r] is False for c, r in pairs.select("chosen", "rejected").iter_rows())
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=1)
    assert draw_pairs(shuffled, config, 7).equals(draw_pairs(table, config, 7))
    alone = draw_pairs(table.filter(pl.col("sample_id") == "s"), config, 7)
    assert alone.equals(draw_pairs(table, config, 7).filter(pl.col("id") == "s")), "other prompts change nothing"

"""Preference pairs: who meets whom, and why a prompt has no pair."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.preference import PreferenceConfig, draw_pairs, keep_paired

SCHEMA = {
    "id": pl.String,
    "sample_id": pl.String,
    "model": pl.String,
    "correct": pl.Boolean,
    "finish_reason": pl.String,
    "text_hash": pl.UInt64,
}


def responses(*rows: tuple[str, str, bool | None, str, int], model: str = "vlm") -> pl.DataFrame:
    """`id, sample_id, correct, finish_reason, text_hash` of one model's responses."""
    return pl.DataFrame([(*row[:2], model, *row[2:]) for row in rows], schema=SCHEMA, orient="row")


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


def test_both_sides_of_a_pair_come_from_one_model() -> None:
    """s: a is right twice and wrong twice, b right once and wrong once. t: a is always right, b always wrong."""
    s_a = [("a0", "s", True, "stop", 0), ("a1", "s", True, "stop", 1), ("a2", "s", False, "stop", 2)]
    of_a = [*s_a, ("a3", "s", False, "stop", 3), ("a4", "t", True, "stop", 4)]
    of_b = [("b0", "s", True, "stop", 5), ("b1", "s", False, "stop", 6), ("b2", "t", False, "stop", 7)]
    table = pl.concat([responses(*of_a, model="a"), responses(*of_b, model="b")])
    prompts = pl.DataFrame({"id": ["s", "t"]})
    config = PreferenceConfig(per_prompt=9)
    pairs = draw_pairs(table, config, 0)
    told = [(chosen[0], rejected[0]) for chosen, rejected in pairs.select("chosen", "rejected").iter_rows()]
    assert sorted(told) == [("a", "a"), ("a", "a"), ("b", "b")]
    assert sorted(told[:2]) == [("a", "a"), ("b", "b")], "each model has its turn"
    assert pairs["index"].to_list() == [0, 1, 2]
    parted, _ = keep_paired(prompts, table, pairs, config, 0)
    assert parted.dropped.select("id", "reason").rows() == [("t", "prefer:apart")]
    mixed = draw_pairs(table, PreferenceConfig(per_prompt=9, across_models=True), 0)
    assert mixed.filter(id="t").select("chosen", "rejected").rows() == [("a4", "b2")]
    assert mixed.filter(id="s").height == 3


def test_a_text_that_two_models_share_serves_each_but_not_both_sides() -> None:
    """Text 1 is right wherever it stands; text 2 was called right of a and wrong of b, so it is on neither side."""
    of_a = [("a0", "s", True, "stop", 1), ("a1", "s", False, "stop", 3), ("a2", "s", True, "stop", 2)]
    of_b = [("b0", "s", True, "stop", 1), ("b1", "s", False, "stop", 2), ("b2", "s", False, "stop", 4)]
    table = pl.concat([responses(*of_a, model="a"), responses(*of_b, model="b")])
    pairs = draw_pairs(table, PreferenceConfig(per_prompt=9), 0)
    assert sorted(pairs.select("chosen", "rejected").rows()) == [("a0", "a1"), ("b0", "b2")]


response = st.tuples(
    st.sampled_from("stuv"),
    st.sampled_from([True, False, None]),
    st.sampled_from(["stop", "length"]),
    st.integers(0, 5),
)


@given(st.lists(response, max_size=40), st.integers(0, 40), st.integers(1, 3), st.none() | st.integers(1, 4))
def test_laws(rows: list[tuple[str, bool | None, str, int]], of_a: int, cap: int, most: int | None) -> None:
    said = [(f"r{i:02d}", *row) for i, row in enumerate(rows)]
    table = pl.concat([responses(*said[:of_a], model="a"), responses(*said[of_a:], model="b")])
    config = PreferenceConfig(per_prompt=cap, max_pairs=most)
    prompts = pl.DataFrame({"id": list("stuv")})
    parted, pairs = keep_paired(prompts, table, draw_pairs(table, config, 7), config, 7)
    assert sorted([*parted.kept["id"], *parted.dropped["id"]]) == list("stuv")
    assert pairs.group_by("id").len()["len"].max() in {None, *range(1, cap + 1)}
    assert most is None or pairs.height <= most
    verdict = dict(table.select("id", "correct").iter_rows())
    assert all(verdict[c] is True and verdict[r] is False for c, r in pairs.select("chosen", "rejected").iter_rows())
    model = dict(table.select("id", "model").iter_rows())
    assert all(model[c] == model[r] for c, r in pairs.select("chosen", "rejected").iter_rows())
    both = pl.concat([pairs["chosen"], pairs["rejected"]])
    assert both.n_unique() == len(both)
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=1)
    assert draw_pairs(shuffled, config, 7).equals(draw_pairs(table, config, 7))
    alone = draw_pairs(table.filter(pl.col("sample_id") == "s"), config, 7)
    assert alone.equals(draw_pairs(table, config, 7).filter(pl.col("id") == "s")), "other prompts change nothing"

"""Which rows make a pair: laws over all tables, and guards by hand."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.pairing import candidates, different, taken, unguarded

TYPES = {
    "id": pl.String,
    "sample_id": pl.String,
    "parent_id": pl.String,
    "model": pl.String,
    "text": pl.String,
    "final": pl.String,
    "value": pl.Int32,
    "chosen": pl.Boolean,
    "rejected": pl.Boolean,
}
SIDE = st.sampled_from([(True, False), (False, True), (True, True)])
ROWS = st.lists(
    st.tuples(st.sampled_from("pq"), st.sampled_from(["big", "small", None]), st.sampled_from("uvw"), SIDE), max_size=12
)


def rows(*made):
    """Rows r0, r1, … of (parent, model, text, (chosen, rejected)) of one sample; the value is the place."""
    full = [
        (f"r{i:02d}", "s", parent, model, text, None, i, *sides) for i, (parent, model, text, sides) in enumerate(made)
    ]
    return pl.DataFrame(full, schema=TYPES, orient="row")


def pairs_of(table, first="chance", once=False, cap=None, at_least=None, across_models=False, seed="0"):
    found = candidates(table, across_models=across_models, at_least=at_least)
    named = found.with_columns(id=pl.concat_str("chosen_id", "rejected_id"))
    return taken(named, first=first, once=once, cap=cap, seed=seed)


@given(ROWS, st.booleans(), st.none() | st.integers(1, 3), st.booleans(), st.none() | st.integers(1, 3))
def test_pairs_are_of_two_texts_of_one_prompt_and_never_more_than_the_cap(made, across, at_least, once, cap) -> None:
    table = different(rows(*made), across_models=across, clear=at_least is None)
    pairs = pairs_of(table, once=once, cap=cap, at_least=at_least, across_models=across)
    by = {row["id"]: row for row in table.iter_rows(named=True)}
    for one, other in pairs.select("chosen_id", "rejected_id").iter_rows():
        chosen, rejected = by[one], by[other]
        assert chosen["chosen"] and rejected["rejected"] and chosen["text"] != rejected["text"]
        assert chosen["parent_id"] == rejected["parent_id"]
        assert across or chosen["model"] == rejected["model"]
        assert at_least is None or chosen["value"] - rejected["value"] >= at_least
    assert pairs["id"].is_unique().all()
    if cap is not None:
        assert pairs.group_by("prompt").len()["len"].max() in {None, *range(1, cap + 1)}
    if once:
        used = [*pairs["chosen_id"], *pairs["rejected_id"]]
        assert len(used) == len(set(used))


@given(ROWS, st.integers(0, 3))
def test_other_rows_and_their_order_do_not_change_the_pairs_of_a_prompt(made, cap) -> None:
    table = rows(*made)
    alone = pairs_of(table.filter(parent_id="p"), cap=cap or None)
    mixed = pairs_of(table.reverse(), cap=cap or None).filter(prompt="p")
    assert alone.rows() == mixed.rows()


def test_without_a_cap_all_pairs_are_made() -> None:
    table = rows(*[("p", "m", f"right {i}", (True, False)) for i in range(3)])
    table = pl.concat([table, rows(*[("p", "m", f"wrong {i}", (False, True)) for i in range(4)]).with_columns(
        id=pl.lit("x") + pl.col("id"))])  # fmt: skip
    assert pairs_of(table).height == 12
    assert pairs_of(table, once=True).height == 3
    assert pairs_of(table, cap=5).height == 5
    assert set(pairs_of(table, cap=5, seed="1")["id"]) != set(pairs_of(table, cap=5, seed="2")["id"])
    assert pairs_of(table, cap=2, first="id")["id"].to_list() == sorted(pairs_of(table)["id"])[:2]


def test_equal_texts_are_one_and_a_text_on_both_sides_is_on_none() -> None:
    table = rows(
        ("p", "m", "same", (True, False)),
        ("p", "m", "same", (True, False)),
        ("p", "m", "torn", (True, False)),
        ("p", "m", "torn", (False, True)),
        ("p", "m", "bad", (False, True)),
        ("q", "m", "torn", (True, False)),
    )
    left = different(table, across_models=False, clear=True)
    assert left["id"].to_list() == ["r00", "r04", "r05"]
    assert different(table, across_models=False, clear=False)["id"].to_list() == ["r00", "r02", "r03", "r04", "r05"]


def test_a_continuation_is_paired_with_what_it_goes_on_from_alone() -> None:
    table = rows(
        ("s", "m", "one seen", (True, False)),
        ("s", "m", "two seen", (True, False)),
        ("r00", "m", "one blind", (False, True)),
        ("r01", "m", "two blind", (False, True)),
    )
    assert pairs_of(table).select("chosen_id", "rejected_id", "prompt").sort("chosen_id").rows() == [
        ("r00", "r02", "s"),
        ("r01", "r03", "s"),
    ]
    turned = table.with_columns(chosen="rejected", rejected="chosen")
    assert pairs_of(turned).select("chosen_id", "prompt").sort("chosen_id").rows() == [("r02", "s"), ("r03", "s")]


@pytest.mark.parametrize(
    ("guard", "final", "other", "text", "may"),
    [
        ("final_in_final", "4", "14", "It is 14.", False),  # as MPO's code: a substring, any case
        ("final_in_final", "Cat", "a black cat", "", False),
        ("final_in_final", "4", "5", "4 and 1 make 5", True),
        ("final_in_final", "4", None, "no answer", True),
        ("final_in_final", None, "4", "It is 4.", True),
        ("final_in_final", " ", "4", "It is 4.", True),
        ("final_in_text", "4", "5", "4 and 1 make 5", False),
        ("final_in_text", "4", "14", "It is 14.", True),
        ("final_in_text", "A", "B", "a letter: (A)?", False),
        ("final_in_text", "x+1", "2", "So x+1 is 2", False),
        ("final_in_text", "A", "B", "Banana, so B.", True),
    ],
)
def test_a_guard_lets_no_right_answer_be_rejected(guard, final, other, text, may) -> None:
    table = rows(("p", "m", "good", (True, False)), ("p", "m", text, (False, True)))
    table = table.with_columns(final=pl.Series([final, other], dtype=pl.String))
    pairs = pl.DataFrame({"chosen_id": ["r00"], "rejected_id": ["r01"]})
    assert unguarded(pairs, table, guard).to_list() == [may]


def test_the_widest_margin_comes_first() -> None:
    table = rows(*[("p", "m", f"text {i}", (True, True)) for i in range(4)])
    found = pairs_of(table, first="widest", cap=1, at_least=2)
    assert found.select("chosen_id", "rejected_id", "margin").rows() == [("r03", "r00", 3.0)]
    assert pairs_of(table, at_least=2).height == 3

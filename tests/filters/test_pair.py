"""The step `pair`: what it makes of replies, and what it refuses."""

import polars as pl
import pytest
from pydantic import ValidationError

from filters.pair import STEP, PairConfig
from schemas.step import Tables

TYPES = {
    "id": pl.String,
    "sample_id": pl.String,
    "parent_id": pl.String,
    "made_by": pl.String,
    "_text": pl.String,
    "_model": pl.String,
    "_end": pl.String,
    "_final": pl.String,
    "_value": pl.Int32,
    "correct": pl.Boolean,
    "_no_answer": pl.Boolean,
    "_well_formed": pl.Boolean,
    "_reasoning": pl.String,
    "_thinking": pl.Boolean,
}


def replies(*made, **more):
    """Replies of one sample: (text, correct, more)."""
    rows = [
        {"id": f"r{i}", "sample_id": "s", "parent_id": "s", "made_by": "tries", "_model": "vlm", "_text": text,
         "correct": correct, **more, **own}
        for i, (text, correct, own) in enumerate(made)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=TYPES)


def pair(rows, context, name="pair", seed=0, **config):
    config = {"of": "tries", "chosen": "correct", "rejected": "NOT correct", **config}
    config = PairConfig(**config)
    if config.margin is None:
        rows = rows.drop("_value")
    rows = rows.drop(name for name in ("_reasoning", "_thinking") if rows[name].is_null().all())
    out = STEP.body(Tables(rows, {}, pl.DataFrame()), config, context(name, seed))
    given = STEP.gives(config, None)
    assert given.makes == "pair"
    assert dict(out.rows.schema) == {"id": pl.String, **given.columns, "parent_id": pl.String}
    assert out.rows["parent_id"].to_list() == out.rows["chosen_id"].to_list()
    return out


THREE = replies(("right", True, {}), ("wrong", False, {}), ("wronger", False, {}))


def test_a_pair_holds_both_texts_and_who_wrote_them(context) -> None:
    out = pair(THREE, context)
    assert out.rows.sort("rejected_id").drop("id", "parent_id").rows() == [
        ("right", "wrong", "r0", "r1", "vlm", "vlm"),
        ("right", "wronger", "r0", "r2", "vlm", "vlm"),
    ]
    assert out.notes == {}
    assert pair(THREE, context, cap=1).notes == {"left_out": 1}


def test_pairs_in_all_are_drawn_by_chance_whatever_their_prompt(context) -> None:
    several = [
        replies(("right", True, {}), ("wrong", False, {}), sample_id=s, parent_id=s).with_columns(id=s + pl.col("id"))
        for s in "abcdefgh"
    ]
    rows = pl.concat(several)
    found = pair(rows, context, max_pairs=3)
    assert (found.rows.height, found.notes) == (3, {"left_out": 5})
    assert pair(rows.reverse(), context, max_pairs=3).rows.sort("id").equals(found.rows.sort("id"))
    seven = pair(rows, context, max_pairs=7).rows
    assert set(found.rows["id"]) < set(seven["id"]), "a larger cap takes the same ones first"
    others = [set(pair(rows, context, seed=seed, max_pairs=3).rows["chosen_id"]) for seed in range(5)]
    assert len({frozenset(ids) for ids in others}) > 1, "by chance, and not by id"
    assert pair(rows, context, max_pairs=99).rows.height == 8
    assert STEP.scope(PairConfig(of="tries", margin={"column": "k", "at_least": 1}, max_pairs=3)) == "all"


def test_ids_are_of_what_was_paired_by_which_step(context) -> None:
    ids = pair(THREE, context).rows["id"]
    assert ids.is_unique().all()
    assert set(ids) == set(pair(THREE, context, seed=7).rows["id"])
    assert not set(ids) & set(pair(THREE, context, name="other").rows["id"])


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (("wrong", None, {}), "nobody could tell"),
        (("wrong", False, {"_end": "length"}), "it was cut off"),
        ((" ", False, {}), "it holds nothing"),
        ((None, False, {}), "it holds nothing"),
        (("right", False, {}), "it says what the right one says"),
        (("wrong", False, {"_model": "other"}), "another model wrote it"),
        (("wrong", False, {"parent_id": "other"}), "it answers another prompt"),
    ],
)
def test_what_is_on_no_side(context, row, why) -> None:
    assert pair(replies(("right", True, {}), row), context).rows.height == 0, why


def test_cut_off_replies_and_those_of_other_models_are_paired_on_request(context) -> None:
    made = replies(("right", True, {}), ("wrong", False, {"_end": "length", "_model": "small"}))
    out = pair(made, context, truncated=True, across_models=True)
    assert out.rows.select("chosen_model", "rejected_model").rows() == [("vlm", "small")]


def test_a_guard_leaves_out_and_counts(context) -> None:
    made = replies(("It is 4", True, {"_final": "4"}), ("Not 4 but 5", False, {"_final": "5"}), ("6", False, {}))
    out = pair(made, context, guard="final_in_text")
    assert (out.rows["rejected"].to_list(), out.notes) == (["6"], {"guarded": 1})
    assert pair(made, context, guard="final_in_final").rows.height == 2


def test_ranked_rows_are_paired_by_their_margin(context) -> None:
    made = replies(*[(f"text {i}", None, {"_value": value}) for i, value in enumerate((9, 5, 4, None))])
    out = pair(made, context, chosen=None, rejected=None, margin={"column": "score", "at_least": 2})
    assert out.rows.select("chosen", "rejected", "margin").sort("rejected").rows() == [
        ("text 0", "text 1", 4.0),
        ("text 0", "text 2", 5.0),
    ]


def test_conditions_may_overlap_where_a_margin_tells_the_sides(context) -> None:
    made = replies(*[(f"text {i}", None, {"_value": value}) for i, value in enumerate((9, 5, 1))])
    made = made.with_columns(score="_value")
    out = pair(made, context, chosen="score >= 5", rejected="score <= 5", margin={"column": "score", "at_least": 2})
    assert sorted(out.rows.select("chosen", "rejected").rows()) == [
        ("text 0", "text 1"), ("text 0", "text 2"), ("text 1", "text 2")
    ]  # fmt: skip


def test_rows_of_two_steps_are_told_apart_by_who_made_them(context) -> None:
    made = replies(("whole", None, {}), ("blind", None, {"made_by": "blind", "parent_id": "r0"}))
    out = pair(made, context, of=("tries", "blind"), chosen="made_by = 'tries'", rejected="made_by = 'blind'")
    assert out.rows.select("chosen", "rejected").rows() == [("whole", "blind")]


def test_no_rows_make_no_pairs(context) -> None:
    assert pair(replies(), context, cap=3, guard="final_in_final").rows.height == 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "say which rows are `chosen`"),
        ({"chosen": "correct"}, "say which rows are `chosen`"),
        ({"chosen": "correct", "rejected": "NOT correct", "first": "widest"}, "goes by a margin"),
        ({"margin": {"column": "score", "at_least": 0}}, "greater than 0"),
    ],
)
def test_a_section_that_tells_no_sides_is_refused(config, message) -> None:
    with pytest.raises(ValidationError, match=message):
        PairConfig(of="trace", **config)


def test_it_reads_what_its_section_names(known) -> None:
    units = {"trace": {"text": pl.String(), "correct": pl.Boolean(), "score": pl.Int32()}, "described": {
        "described": pl.String(), "k": pl.Int32()}}  # fmt: skip
    sides = {"chosen": "correct", "rejected": "NOT correct"}
    rows = lambda **config: STEP.reads(PairConfig(**config), known(units)).rows  # noqa: E731
    assert set(rows(of="trace", **sides)) == {"_text", "_model", "_end", "correct"}
    assert set(rows(of="trace", guard="final_in_final", **sides)) - set(rows(of="trace", **sides)) == {"_final"}
    assert rows(of="described", chosen="k > 2", rejected="k < 1")["_text"].ref == ("described",)
    with pytest.raises(ValueError, match="a number is read there"):
        rows(of="trace", margin={"column": "text", "at_least": 1})
    with pytest.raises(ValueError, match="no condition"):
        rows(of="trace", chosen="score", rejected="NOT correct")


GARBLED = replies(
    ("right", True, {"_well_formed": True, "_no_answer": False}),
    ("wrong", False, {"_well_formed": True, "_no_answer": False}),
    ("of no schema", False, {"_well_formed": False, "_no_answer": False}),
    ("bottom leftblack", False, {"_well_formed": True, "_no_answer": True}),
    ("right, and of no schema", True, {"_well_formed": False, "_no_answer": False}),
)


def test_what_cannot_be_read_or_has_not_the_form_is_on_neither_side(context) -> None:
    out = pair(GARBLED, context)
    assert out.rows.select("chosen", "rejected").rows() == [("right", "wrong")]
    assert out.notes == {"unreadable": 3}
    assert pair(GARBLED, context, unreadable=True).rows.height == 2 * 3


def test_a_thought_that_a_server_gave_apart_is_in_the_pair(context) -> None:
    thought = {"_reasoning": " It is three and four. ", "_thinking": True}
    rows = replies(
        ("Seven.", True, thought),
        ("<think> It is three and four. </think>Six.", False, thought),
        ("Five.", False, {"_reasoning": "Read, and not marked.", "_thinking": False}),
    )
    found = pair(rows, context).rows.sort("rejected_id")
    whole = "<think>\nIt is three and four.\n</think>\n\nSeven."
    assert found["chosen"].to_list() == [whole] * 2
    assert found["rejected"].to_list() == ["<think> It is three and four. </think>Six.", "Five."]


def test_texts_of_a_pair_are_alike_in_length_on_request(context) -> None:
    rows = replies(
        ("a" * 10, True, {}), ("b" * 20, False, {}), ("c" * 21, False, {}), ("d" * 5, False, {}), ("e" * 4, False, {})
    )
    found = pair(rows, context, lengths={"ratio": 2})
    assert sorted(map(len, found.rows["rejected"])) == [5, 20] and found.notes == {"left_out": 2}


def test_neither_side_is_the_longer_one_on_request(context) -> None:
    made = [
        replies(("r" * 9, True, {}), ("w" * length, False, {}), sample_id=s, parent_id=s).with_columns(
            id=s + pl.col("id")
        )
        for s, length in zip("abcdefgh", (5, 5, 5, 5, 5, 12, 12, 9), strict=True)
    ]
    rows = pl.concat(made)
    found = pair(rows, context, lengths={"balance": True})
    assert sorted(map(len, found.rows["rejected"])) == [5, 5, 9, 12, 12] and found.notes == {"left_out": 3}
    again = pair(rows.reverse(), context, lengths={"balance": True})
    assert again.rows.sort("id").equals(found.rows.sort("id"))
    assert STEP.scope(PairConfig(of="tries", chosen="a", rejected="b", lengths={"balance": True})) == "all"
    with pytest.raises(ValidationError, match="greater than 1"):
        PairConfig(of="tries", chosen="a", rejected="b", lengths={"ratio": 1})

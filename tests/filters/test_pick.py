"""The step `pick`: how many of a parent's rows stay, which, and what their samples' answers are worth."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.pick import STEP, PickConfig
from schemas.sample import SOURCE
from schemas.step import Tables

TYPES = {"id": pl.String, "sample_id": pl.String, "parent_id": pl.String, "made_by": pl.String}
READ = {"value": pl.Int32(), "tokens": pl.Int32(), "reasoning": pl.String(), "index": pl.Int32()}


class Known:
    unit = staticmethod(lambda of: of)
    types = staticmethod(lambda of: READ)


def table(*rows, types=READ, **columns):
    """Rows r0, r1, … of (parent, value): the value is whatever the pick goes by."""
    full = [
        {
            "id": f"r{i}", "sample_id": f"s{parent}", "parent_id": parent, "value": value, "tokens": value, "index": value,
            "reasoning": str(value), **{name: values[i] for name, values in columns.items()},
        }
        for i, (parent, value) in enumerate(rows)
    ]  # fmt: skip
    return pl.DataFrame(full, schema={**TYPES, **types})


def pick(rows, context, name="pick", seed=0, scored=None, **config):
    config = PickConfig(**config)
    mine = [*TYPES, *STEP.reads(config, Known).rows]
    beside = {} if scored is None else {"scored": scored}
    out = STEP.body(Tables(rows.select(mine), beside, pl.DataFrame()), config, context(name, seed))
    assert out.rows is None
    assert out.drops["id"].is_in(rows["id"].implode()).all() and out.drops["id"].is_unique().all()
    return out.drops


def kept(rows, context, **config):
    return rows.filter(~pl.col("id").is_in(pick(rows, context, **config)["id"].implode()))["id"].to_list()


FOUR = table(("a", 30), ("a", 10), ("a", 20), ("b", 5))


@pytest.mark.parametrize(
    ("config", "ids"),
    [
        ({"take": "most", "by": "k"}, ["r0", "r3"]),
        ({"take": "least", "by": "k"}, ["r1", "r3"]),
        ({"take": "most", "by": "k", "most": 2}, ["r0", "r2", "r3"]),
        ({"take": "shortest"}, ["r1", "r3"]),
        ({"take": "longest"}, ["r0", "r3"]),
        ({"take": "second_longest"}, ["r2", "r3"]),
        ({"take": "first"}, ["r1", "r3"]),
        ({"take": "diverse", "most": 9}, ["r0", "r1", "r2", "r3"]),
    ],
)
def test_what_is_picked_of_each_parent(context, config, ids) -> None:
    assert kept(FOUR, context, **config) == ids


def test_the_others_say_why(context) -> None:
    drops = pick(FOUR, context, name="best", take="most", by="difficulty.k", most=1)
    assert drops["reason"].to_list() == ["best:not_picked"] * 2
    assert [json.loads(text) for text in drops.sort("id")["evidence"]] == [
        {"parent_id": "a", "place": 2, "value": 10},
        {"parent_id": "a", "place": 1, "value": 20},
    ]


def test_a_row_without_a_value_is_never_picked(context) -> None:
    rows = table(("a", None), ("a", 3), ("b", None))
    drops = pick(rows, context, take="least", by="k")
    assert dict(drops.select("id", "reason").iter_rows()) == {"r0": "pick:unmeasured", "r2": "pick:unmeasured"}


def test_draws_depend_on_seed_and_id_and_on_nothing_else(context) -> None:
    rows = table(*[("a", 1)] * 40)
    one = kept(rows, context, take="random", most=10)
    assert len(one) == 10
    assert one != kept(rows, context, take="random", most=10, seed=1)
    assert set(one) == set(kept(rows.sample(fraction=1, shuffle=True, seed=3), context, take="random", most=10))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3) | st.none()), max_size=20), st.integers(1, 4))
def test_no_parent_keeps_more_than_asked_for_and_none_loses_more_than_that(pool, rows, most) -> None:
    class One:
        name, seed = "pick", 0

    context = lambda *_: One()  # noqa: E731
    rows = table(*rows)
    for take in ("random", "first", "shortest", "longest", "length_weighted", "diverse"):
        left = rows.filter(pl.col("id").is_in(kept(rows, context, take=take, most=most)))
        sizes = dict(left.group_by("parent_id").len().iter_rows())
        assert sizes == {p: min(n, most) for p, n in rows.group_by("parent_id").len().iter_rows()}


def test_right_answers_that_guesses_reach_as_often_are_left_out(gold, context) -> None:
    yes = gold("boolean", "yes")
    verdicts = {"lucky": [True, False], "good": [True, True], "silent": [True, None], "number": [True, False]}
    rows, scored = [], []
    for sample, found in verdicts.items():
        one = gold("number", "4") if sample == "number" else yes
        for i, correct in enumerate(found):
            ids = {"id": f"{sample}{i}", "sample_id": sample, "parent_id": sample, "made_by": "distill"}
            answered = correct is not None
            more = {"correct": answered and correct, "no_answer": not answered, "final": "yes" if answered else None}
            scored.append({**ids, **more, "answer": one["answer"], "options": None, "source": {"dataset": "d"}})
            if correct:
                rows.append(ids)
    types = {"correct": pl.Boolean, "no_answer": pl.Boolean, "final": pl.String, "source": SOURCE}
    types |= {"answer": gold.types["answer"], "options": gold.types["options"]}
    drops = pick(
        pl.DataFrame(rows, schema=TYPES),
        context,
        name="sieve",
        beats_chance=True,
        scored=pl.DataFrame(scored, schema={**TYPES, **types}),
    )
    # One of two is what a coin gets; a reply without an answer leaves one of one, which is too few to tell.
    assert sorted(drops["id"]) == ["lucky0", "silent0"]
    assert set(drops["reason"]) == {"sieve:chance"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "leaves nothing out"),
        ({"take": "most"}, "name it in `by`"),
        ({"take": "random", "by": "k"}, "name it in `by`"),
        ({"take": "random", "max_guess": 0.5}, "`beats_chance`"),
    ],
)
def test_a_pick_that_cannot_be_is_refused(config, message) -> None:
    with pytest.raises(ValidationError, match=message):
        PickConfig(**config)


def test_guesses_are_told_from_whole_sources_and_see_what_was_dropped() -> None:
    config = PickConfig(beats_chance=True)
    assert STEP.scope(config) == "all"
    assert STEP.reads(config, Known).beside["scored"].dropped
    assert STEP.scope(PickConfig(take="random")) == "sample"


def test_samples_are_not_picked_among() -> None:
    with pytest.raises(ValueError, match="use `select`"):
        STEP.reads(PickConfig(of="sample", take="random"), Known)

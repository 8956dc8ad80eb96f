"""The step `drop`: the first true cause drops a row, null drops none."""

import json
from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.drop import STEP, DropConfig
from schemas.step import Read, Tables

BASE = {"id": pl.String, "sample_id": pl.String, "parent_id": pl.String, "made_by": pl.String}
TYPES = {**BASE, "judge": pl.String, "difficulty.k": pl.Int64, "correct": pl.Boolean}
CAUSES = {"wrong": "judge = 'no'", "unsolved": "difficulty.k = 0"}


def rows(*cells):
    made = [(str(n), "s", "s", "m", *cell) for n, cell in enumerate(cells)]
    return pl.DataFrame(made, schema=TYPES, orient="row")


def drop(context, table, causes):
    return STEP.body(Tables(table, {}, pl.DataFrame()), DropConfig(of="trace", if_=causes), context("bad"))


def test_the_first_true_cause_is_the_reason_and_its_columns_the_evidence(context) -> None:
    table = rows(
        ("no", 0, None), ("yes", 0, None), ("yes", 3, None), (None, 3, None), (None, 0, None), (None, None, None)
    )
    out = drop(context, table, CAUSES)
    assert out.rows is None
    assert out.drops.rows() == [
        ("0", "bad:wrong", '{"judge":"no"}'),
        ("1", "bad:unsolved", '{"difficulty.k":0}'),
        ("4", "bad:unsolved", '{"difficulty.k":0}'),
    ]
    assert out.notes == {"undecided": 2}


def test_the_order_of_the_causes_decides(context) -> None:
    out = drop(context, rows(("no", 0, None)), dict(reversed(CAUSES.items())))
    assert out.drops["reason"].to_list() == ["bad:unsolved"]


def test_a_long_text_is_evidence_by_its_beginning(context) -> None:
    out = drop(context, rows(("x" * 1000, 1, None)), {"long": "length(judge) > 500"})
    assert json.loads(out.drops["evidence"][0]) == {"judge": "x" * 200}


@pytest.mark.parametrize(
    ("value", "condition", "shown"),
    [
        ([1, 2], "len(value) = 2", [1, 2]),
        ({"id": "x"}, "(value).id = 'x'", {"id": "x"}),
        (date(2020, 1, 1), "value > '2019-01-01'", "2020-01-01"),
        (b"\x00\xff", "octet_length(value) = 2", "00ff"),
        (float("nan"), "isnan(value)", None),
    ],
)
def test_evidence_of_any_type_is_json(context, value, condition, shown) -> None:
    table = rows(("no", 0, None)).with_columns(pl.Series("value", [value]))
    out = drop(context, table, {"found": condition})
    assert json.loads(out.drops["evidence"].item()) == {"value": shown}


def test_no_rows_and_a_condition_without_columns(context) -> None:
    assert drop(context, rows(), CAUSES).drops.height == 0
    out = drop(context, rows((None, None, None)), {"all": "true"})
    assert out.drops.rows() == [("0", "bad:all", "{}")]


@given(
    st.lists(
        st.tuples(st.none() | st.sampled_from(["yes", "no"]), st.none() | st.integers(0, 2), st.none() | st.booleans()),
        max_size=30,
    )
)
def test_nothing_is_lost_and_only_true_drops(cells) -> None:
    out = drop(lambda name: type("Named", (), {"name": name}), rows(*cells), {**CAUSES, "right": "correct"})
    reasons = dict(out.drops.select("id", "reason").iter_rows())
    undecided = 0
    for n, (judge, k, correct) in enumerate(cells):
        cause = "wrong" if judge == "no" else "unsolved" if k == 0 else "right" if correct else None
        assert reasons.pop(str(n), None) == (cause and f"bad:{cause}")
        undecided += cause is None and None in (judge, k, correct)
    assert not reasons and out.notes == ({"undecided": undecided} if undecided else {})


def test_it_reads_the_columns_of_its_conditions(known) -> None:
    config = DropConfig.model_validate({"of": "trace", "if": CAUSES})
    there = known({"trace": {"judge": pl.String(), "difficulty.k": pl.Int64()}})
    assert STEP.reads(config, there).rows == {
        "judge": Read(("judge",), text=True),
        "difficulty.k": Read(("difficulty", "k"), text=True),
    }
    assert not STEP.gives(config, there).columns


@pytest.mark.parametrize(
    ("causes", "message"),
    [
        ({}, "at least 1"),
        ({"wrong": "judge = "}, "`judge =` cannot be parsed"),
        ({"wrong": "random() > 0.5"}, "calls random()"),
        ({"Not A Cause": "true"}, "String should match pattern"),
    ],
)
def test_a_bad_section_is_one_sentence(causes, message) -> None:
    with pytest.raises(ValidationError) as caught:
        DropConfig.model_validate({"of": "trace", "if": causes})
    assert message in str(caught.value)


def test_what_is_no_condition_is_refused_before_a_build(known) -> None:
    config = DropConfig(of="trace", if_={"wrong": "difficulty.k"})
    with pytest.raises(ValueError, match=r"`difficulty.k` is no condition: it gives Int64"):
        STEP.gives(config, known({"trace": {"difficulty.k": pl.Int64()}}))

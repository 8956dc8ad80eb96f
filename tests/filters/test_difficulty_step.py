"""The step `difficulty`: what counts, on which rows, and when that is too little."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.difficulty import VERDICTS
from filters.difficulty_step import COUNTS, STEP, DifficultyStepConfig, columns
from schemas.errors import StepError
from schemas.step import Tables

TYPES = {
    "id": pl.String,
    "sample_id": pl.String,
    "parent_id": pl.String,
    "model": pl.String,
    "finish_reason": pl.String,
    "no_answer": pl.Boolean,
    "gold_visible": pl.Boolean,
    "score": pl.Float64,
    "tokens": pl.Int32,
    "correct": pl.Boolean,
    "judge": pl.String,
}
REPLIES = {
    "right": {"finish_reason": "stop", "no_answer": False, "correct": True},
    "wrong": {"finish_reason": "stop", "no_answer": False, "correct": False},
    "no_answer": {"finish_reason": "stop", "no_answer": True, "correct": False},
    "truncated": {"finish_reason": "length", "no_answer": False, "correct": True},
    "unscored": {"finish_reason": "stop", "no_answer": False, "correct": None},
}


def replies(*made, **more):
    """Replies of (row that they answer, verdict)."""
    rows = [
        {"id": f"r{i}", "sample_id": of, "parent_id": of, "model": "vlm", **REPLIES[name], **more}
        for i, (of, name) in enumerate(made)
    ]
    return pl.DataFrame(rows, schema=TYPES)


def difficulty(rows, counted, context, name="difficulty", **config):
    table = pl.DataFrame({"id": list(rows)}, schema={"id": pl.String})
    config = DifficultyStepConfig(**config)
    out = STEP.body(Tables(table, {"counted": counted}, pl.DataFrame()), config, context(name))
    assert sorted([*out.rows["id"], *out.drops["id"]]) == sorted(rows)
    assert dict(out.rows.schema) == {"id": pl.String, **columns(config)}
    return out


def test_only_evidence_counts_and_the_rest_is_counted_apart(context) -> None:
    made = replies(*[("s", name) for name in ("right", "right", "wrong", "no_answer", "truncated", "unscored")])
    out = difficulty("s", made, context)
    row = out.rows.row(0, named=True)
    assert {name: row[name] for name in COUNTS} == {
        "k": 2, "n": 3, "asked": 6, "wrong": 1, "no_answer": 1, "truncated": 1, "unscored": 1
    }  # fmt: skip
    assert row["pass_rate"] == pytest.approx(2 / 3)
    assert (row["model"], row["pass_at_4"]) == ("vlm", None)
    assert out.notes == {"right": 2, "wrong": 1, "no_answer": 1, "truncated": 1, "unscored": 1}


def test_a_paper_may_call_cut_off_and_silent_replies_wrong(context) -> None:
    made = replies(("s", "right"), ("s", "no_answer"), ("s", "truncated"))
    out = difficulty("s", made, context, no_answer="wrong", truncated="wrong")
    assert out.rows.select("k", "n", "wrong").row(0) == (1, 3, 0)


def test_too_little_evidence_drops_by_the_steps_name_or_is_kept(context) -> None:
    made = replies(("a", "right"), ("b", "unscored"), ("c", "right"), ("c", "unscored"), ("c", "unscored"))
    out = difficulty("abcd", made, context, name="text_only")
    assert out.rows["id"].to_list() == ["a"]
    assert dict(out.drops.select("id", "reason").iter_rows()) == {
        "b": "text_only:unmeasured", "c": "text_only:too_few", "d": "text_only:unmeasured"
    }  # fmt: skip
    assert json.loads(out.drops.filter(id="c")["evidence"].item()) == {
        "asked": 3, "n": 1, "no_answer": 0, "truncated": 0, "unscored": 2
    }  # fmt: skip
    kept = difficulty("abcd", made, context, unmeasured="keep")
    assert kept.rows.select("id", "k", "n", "asked", "enough", "pass_rate").rows() == [
        ("a", 1, 1, 1, True, 1.0), ("b", None, None, 1, False, None), ("c", 1, 1, 3, False, 1.0),
        ("d", None, None, 0, False, None)
    ]  # fmt: skip
    assert difficulty("c", made, context, min_n=1).rows.height == 1


def test_a_judge_may_decide_what_is_right(context) -> None:
    made = replies(("s", "right"), ("s", "wrong"), ("s", "wrong"), ("s", "no_answer"), ("s", "unscored"))
    made = made.with_columns(judge=pl.Series([None, "EQUIVALENT", "DIFFERENT", "DIFFERENT", "EQUIVALENT"]))
    out = difficulty("s", made, context, correct="correct OR judge = 'EQUIVALENT'")
    assert out.rows.select("k", "n", "wrong", "no_answer", "unscored").row(0) == (3, 4, 1, 1, 0)
    silent = made.with_columns(judge=pl.lit(None, pl.String))
    out = difficulty("s", silent, context, correct="correct OR judge = 'EQUIVALENT'", unmeasured="keep")
    # A judge that did not answer leaves what no rule called right undecided.
    assert out.rows.select("k", "n", "unscored").row(0) == (1, 1, 4)


def test_replies_count_for_what_they_were_made_from_or_for_its_sample(context) -> None:
    made = replies(("d1", "right"), ("d2", "wrong"), ("d2", "right")).with_columns(sample_id=pl.lit("s"))
    assert difficulty(["d1", "d2", "d3"], made, context, unmeasured="keep").rows.select("k", "n").rows() == [
        (1, 1), (1, 2), (None, None)
    ]  # fmt: skip
    assert difficulty(["s"], made, context).rows.select("k", "n").rows() == [(2, 3)]
    assert difficulty(["other"], made, context).drops.height == 1


def test_replies_of_a_model_that_was_shown_the_gold_measure_nothing(context) -> None:
    with pytest.raises(StepError, match="1 of the 1 replies that it counts are of a model that was shown the gold"):
        difficulty("a", replies(("a", "right"), gold_visible=True), context)


def test_several_models_are_never_counted_as_one(context) -> None:
    made = pl.concat([replies(("s", "right")), replies(("s", "wrong"), model="small").with_columns(id=pl.lit("x"))])
    with pytest.raises(StepError, match="of small, vlm"):
        difficulty("s", made, context)
    assert difficulty("s", made, context, model="vlm").rows.select("k", "n", "model").row(0) == (1, 1, "vlm")
    assert difficulty("s", made, context, model="small").rows.select("k", "n", "model").row(0) == (0, 1, "small")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(VERDICTS)), max_size=30), st.booleans())
def test_every_reply_is_counted_once(made, strict) -> None:
    class One:
        name = "difficulty"

    ruled = "wrong" if strict else "unscored"
    config = {"unmeasured": "keep", "no_answer": ruled, "truncated": ruled}
    rows = difficulty("abc", replies(*made), lambda _: One(), **config).rows
    for row in rows.iter_rows(named=True):
        mine = [name for of, name in made if of == row["id"]]
        assert row["asked"] == len(mine)
        assert {name: row[name] for name in COUNTS[3:]} == {name: mine.count(name) for name in COUNTS[3:]}
        apart = ("unscored",) if strict else ("no_answer", "truncated", "unscored")
        n = len(mine) - sum(mine.count(name) for name in apart)
        assert (row["k"], row["n"]) == ((mine.count("right"), n) if n else (None, None)), "0 of 0 is not never right"


def test_it_works_on_what_the_counted_rows_were_made_from(known) -> None:
    units = {name: {"correct": pl.Boolean(), "final": pl.String()} for name in ("rollout", "described")}
    here = known(units, {"rollout": "description"})
    assert STEP.over(DifficultyStepConfig(), here) == ("made_description",)
    assert STEP.over(DifficultyStepConfig(to="description"), here) == ("made_description",)
    assert STEP.over(DifficultyStepConfig(to="sample"), here) == "sample"
    with pytest.raises(ValueError, match="made from description; count them on those or on sample"):
        STEP.over(DifficultyStepConfig(to="trace"), here)
    several = known(units, {"rollout": ("description", "sample")})
    assert STEP.over(DifficultyStepConfig(to="sample"), several) == ("made_sample",)
    with pytest.raises(ValueError, match="made from description and sample; say which"):
        STEP.over(DifficultyStepConfig(), several)
    counted = STEP.reads(DifficultyStepConfig(), here).beside["counted"]
    assert counted.dropped and counted.gold_free
    assert {name for name, one in counted.reads.items() if not one.optional} == {"correct"}


@pytest.mark.parametrize(("condition", "message"), [("final", "no condition"), ("corect", "corect")])
def test_what_is_right_must_be_a_condition_over_what_there_is(known, condition, message) -> None:
    units = {"rollout": {"correct": pl.Boolean(), "final": pl.String()}}
    with pytest.raises(ValueError, match=message):
        STEP.reads(DifficultyStepConfig(correct=condition), known(units))


def test_two_statements_are_no_condition() -> None:
    with pytest.raises(ValidationError):
        DifficultyStepConfig(correct="correct; DROP TABLE rows")

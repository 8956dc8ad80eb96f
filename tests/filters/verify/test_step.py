"""The step `verify`: what each response comes to, and that none is dropped."""

import polars as pl
import pytest
from pydantic import ValidationError

from filters.difficulty import VERDICTS
from filters.verify.step import COLUMNS, FORM, STEP, VerifyConfig
from schemas.step import Tables


def judged(rows, gold, context, **config):
    schema = {"id": pl.String, "response": pl.String, "finish_reason": pl.String, **gold.types}
    table = pl.DataFrame([dict(zip(schema, row, strict=False)) for row in rows], schema=schema)
    out = STEP.body(Tables(table, {}, pl.DataFrame()), VerifyConfig(**config), context("verify"))
    assert out.drops.height == 0
    assert out.rows["id"].to_list() == table["id"].to_list()
    assert dict(out.rows.schema) == {"id": pl.String(), **COLUMNS, **FORM}
    return out.rows


def test_the_five_verdicts_and_what_the_reward_would_say(gold, context) -> None:
    four, prose = gold("number", "4"), gold("open", "a long story")
    cases = [
        ("a", "4", "stop", four, "right", True, False),
        ("b", "5", "stop", four, "wrong", False, False),
        ("c", "no idea", "stop", four, "no_answer", False, True),
        ("d", None, "stop", four, "no_answer", False, True),
        ("e", "4", "length", four, "truncated", True, False),
        ("f", "another story", "stop", prose, "unscored", None, False),
        ("g", "four", None, four, "right", True, False),
    ]
    rows = judged([(*case[:3], *case[3].values()) for case in cases], gold, context)
    assert set(rows["verdict"]) == set(VERDICTS)
    assert rows.select("verdict", "correct", "no_answer").rows() == [case[4:] for case in cases]


@pytest.mark.parametrize(
    ("text", "tags", "verdict"),
    [
        ("<think>It is 5, or 4.</think><answer>4</answer>", "think_answer", "right"),
        ("<think>It is 4.</think>", "think_answer", "no_answer"),
        ("\\boxed{4}", "plain_boxed", "right"),
        ("4", "plain_boxed", "no_answer"),
        ("4", "plain", "right"),
    ],
)
def test_a_response_gives_its_answer_as_its_schema_says(gold, context, text, tags, verdict) -> None:
    rows = judged([("a", text, "stop", *gold("number", "4").values())], gold, context, tags=tags)
    assert rows["verdict"].to_list() == [verdict]


def test_a_right_answer_in_the_wrong_form_is_right_and_ill_formed(gold, context) -> None:
    texts = [
        "<think>2 + 2</think><answer>4</answer>",
        "So: <answer>4</answer>",
        "<think>5</think><answer>5</answer>",
        None,
    ]
    given = [(str(place), text, "stop", *gold("number", "4").values()) for place, text in enumerate(texts)]
    rows = judged(given, gold, context, tags="think_answer")
    found = [("right", True), ("right", False), ("wrong", True), ("no_answer", None)]
    assert rows.select("verdict", "well_formed").rows() == found


def test_a_sample_without_a_gold_is_unscored_and_no_rows_are_no_error(gold, context) -> None:
    rows = judged([("a", "4", "stop", None, None, None)], gold, context)
    assert rows.select("verdict", "correct", "tier", "score").row(0) == ("unscored", None, "none", None)
    assert judged([], gold, context).height == 0


def test_traces_are_judged_by_their_final_answer_and_rollouts_by_what_a_reward_is_shown(known) -> None:
    reply = {"final": pl.String(), "text": pl.String()}
    units = {"trace": reply, "rollout": reply, "draft": {"final": pl.String()}}
    column = lambda **config: STEP.reads(VerifyConfig(**config), known(units)).rows["response"].ref  # noqa: E731
    assert column() == ("final",)
    assert column(tags="think_answer") == ("text",)
    assert column(of="rollout") == ("text",)
    assert column(of="draft") == ("final",)
    assert column(of="rollout", column="parent.answer_given") == ("parent", "answer_given")


def test_the_gold_is_the_samples_own_whatever_a_row_calls_its_answer(known) -> None:
    units = {"trace": {"final": pl.String()}, "sample": {"text": pl.String()}}
    refs = lambda of: STEP.reads(VerifyConfig(of=of), known(units)).rows["answer"].ref  # noqa: E731
    assert refs("trace") == ("sample", "answer")
    assert refs("sample") == ("answer",)


def test_an_unknown_tag_schema_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValidationError, match="Did you mean 'think_answer'"):
        VerifyConfig(tags="think_anser")

"""Judges as gates, as grades, and in numbers."""

from typing import Any

import pytest
from asked import Reply, converse, run, table
from pydantic import ValidationError

from generators.presets.judge import STEP, JudgeConfig

ROWS = table(
    {"question": "How many?", "options": None, "media": None, "answer": "4", "final": "four"},
    {"question": "How many?", "options": None, "media": None, "answer": "4", "final": None},
)


def judge(**section: Any) -> JudgeConfig:
    return JudgeConfig.model_validate({"model": "m", **section})


def test_without_a_prompt_it_is_asked_whether_an_answer_is_the_gold() -> None:
    [[request]] = converse(STEP, ROWS, judge(), lambda r, i: "Yes")[1]
    system, turn = request.messages
    assert "You check answers" in str(system.content[0])
    assert "Reference answer:\n4\n\nCandidate answer:\nfour" in str(turn.content[0])
    out = run(STEP, ROWS, judge(), lambda r, i: "Yes")
    assert out.rows is not None
    assert out.rows.rows() == [("r0", "yes")]
    assert out.drops.rows() == [("r1", "judge:null_field", '{"field":"final"}')]
    assert STEP.verdict


def test_a_grade_is_a_number() -> None:
    config = judge(prompt="Grade from 0 to 9: {{ final or '' }}", reply={"score": [0, 9]})
    out = run(STEP, ROWS, config, lambda r, i: "7" if r.id == "r0" else "12")
    assert out.rows is not None
    assert out.rows.rows() == [("r0", 7.0)]
    assert out.drops["reason"].to_list() == ["judge:unreadable"]
    assert converse(STEP, ROWS, config, lambda r, i: "7")[1][0][0].messages[0].role == "user"


@pytest.mark.parametrize(
    ("said", "opinion"),
    [
        (["yes", "yes", "no"], "yes"),
        (["no", "yes", "no"], "no"),
        (["yes", "no", "what?"], None),
        (["yes", None, "what?"], "yes"),
    ],
)
def test_most_of_the_readable_votes_decide(said: list[Reply], opinion: str | None) -> None:
    config = judge(votes=3, sampling={"temperature": 1.0})
    out = run(STEP, ROWS, config, lambda r, i: said[i])
    assert out.rows is not None
    assert out.rows.rows() == [("r0", opinion)]


def test_a_row_of_which_no_vote_can_be_read_is_dropped_once() -> None:
    config = judge(votes=3, sampling={"temperature": 1.0})
    out = run(STEP, ROWS, config, lambda r, i: "what?")
    assert out.drops.sort("id")["reason"].to_list() == ["judge:unreadable", "judge:null_field"]
    kept = run(STEP, ROWS, judge(votes=3, sampling={"temperature": 1.0}, unreadable="keep"), lambda r, i: "what?")
    assert kept.rows is not None
    assert kept.rows.rows() == [("r0", None)]


def test_the_mean_of_grades_counts() -> None:
    config = judge(prompt="Grade.", reply={"score": [0, 9]}, votes=3, sampling={"temperature": 1.0})
    out = run(STEP, ROWS, config, lambda r, i: ["3", "6", "?"][i])
    assert out.rows is not None
    assert out.rows["judge"].to_list() == [4.5, 4.5]


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"reply": {"score": [0, 9]}}, "the default prompt asks for yes or no"),
        ({"votes": 2}, "at temperature 0 all votes are the same"),
        ({"votes": 2, "tries": 2, "sampling": {"temperature": 1.0}}, "it goes without n, tries and makes"),
    ],
)
def test_what_a_judge_may_not_be(section: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        judge(**section)

"""Judges as gates, as grades, and in numbers."""

from typing import Any

import pytest
from asked import Reply, converse, run, table
from pydantic import ValidationError

from generators.presets.judge import STEP, JudgeConfig

Section = dict[str, Any]
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


def line(word: str) -> str:
    """A pattern of a last line such as `Verdict: valid`."""
    return rf"^[ \t*#>]*(?:final )?{word}[ \t]*[:=][*\s]*(?P<answer>\w+)\b[ \t*.]*$"


VALID: Section = {"reply": {"choice": ["valid", "invalid"]}}
DECISION: Section = {"reply": {"choice": ["Yes", "No"]}}
ONE: Section = {"reply": {"choice": ["1", "0"]}}
LAST: Section = {"reply": {"choice": ["correct", "incorrect"]}, "answer_pattern": f"(?i){line('verdict')}"}
ZERO: Section = {"reply": {"choice": ["0", "1"]}, "answer_pattern": r"<judge>\s*(?P<answer>[01])\s*</judge>"}
GRADE: Section = {"reply": {"score": [0, 10]}}
PUBLISHED = {"valid": VALID, "decision": DECISION, "one": ONE, "last": LAST, "zero": ZERO, "grade": GRADE}


@pytest.mark.parametrize(
    ("form", "text", "opinion"),
    [
        ("valid", "Verdict: valid", "valid"),  # LLaVA-CoT, VTS
        ("valid", "They agree.\n**Verdict: Invalid.**", "invalid"),
        ("valid", "The answer is valid or invalid", None),
        ("valid", "", None),
        ("decision", "Final Decision: Yes", "Yes"),  # General-Reasoner
        ("decision", "Final Decision: No", "No"),
        ("decision", "Yes.", "Yes"),  # VLAA-Thinking
        ("decision", "Not sure", None),
        ("decision", "Yes and no", None),
        ("one", "1", "1"),  # OpenMMReasoner
        ("one", "0", "0"),
        ("one", "10", None),
        ("last", "Verdict: correct\nOn second thought\nVerdict: incorrect", "incorrect"),
        ("last", "Hm.\n\n\n**Verdict:** correct", "correct"),
        ("last", "> Final verdict: Correct.", "correct"),
        ("last", "It is correct.", None),
        ("zero", "<think>1</think><judge>0</judge>", "0"),  # MMR1: zero means correct
        ("zero", "<think>0</think><judge>1</judge>", "1"),
        ("zero", "0", None),
        ("grade", "Fine.\nGrade: 7", 7.0),  # VisRL, HumanOmniV2, WeThink
        ("grade", "Grade: 7.5/10", 7.5),
        ("grade", "Grade: 70", None),
        ("grade", "Grade: high", None),
    ],
)
def test_published_judges_are_forms_of_reply(form: str, text: str, opinion: str | float | None) -> None:
    config = judge(prompt="Is {{ final }} {{ answer }}?", unreadable="keep", **PUBLISHED[form])
    out = run(STEP, ROWS.head(1), config, lambda r, i: text)
    assert out.rows is not None
    assert out.rows["judge"].to_list() == [opinion]


@pytest.mark.parametrize("form", PUBLISHED)
@pytest.mark.parametrize("loop", ["\n", "# ", "*", "Verdict:\n", "Grade: ", "<judge>", "yes "])
def test_a_judge_in_a_loop_says_nothing(form: str, loop: str) -> None:
    """Quadratic steps would take minutes here."""
    config = judge(prompt="Is {{ final }} {{ answer }}?", unreadable="keep", **PUBLISHED[form])
    out = run(STEP, ROWS.head(1), config, lambda r, i: loop * 20_000 + "x")
    assert out.rows is not None
    assert out.rows["judge"].to_list() == [None]

"""What one answer gives, and what is wrong with one that gives nothing."""

from typing import Any

import pytest

from generators.asking.config import AskConfig
from generators.asking.outcomes import Answer, concluded, read
from schemas.reading import Reading


def ask(**section: Any) -> AskConfig:
    return AskConfig.model_validate({"model": "m", "prompt": "x", **section})


def answer(text: str | None = None, finish: Any = "stop", field: str | None = None) -> Answer:
    return Answer(0, 0, 0, 0, text, field, finish, 5, None)


CHOICE = {"reply": {"choice": ["yes", "no"]}}
MARKED = CHOICE | {"answer_pattern": r"<judge>(?P<answer>.*?)</judge>"}
TAGS: dict[str, Any] = {"reply": {"tags": "think_answer"}, "makes": "trace"}


@pytest.mark.parametrize(
    ("section", "text", "finish", "cause"),
    [
        ({}, "a star", "stop", None),
        ({}, "a st", "length", "truncated"),
        ({}, "  ", "stop", "empty"),
        ({}, "<think>a star?", "stop", "empty"),
        ({}, None, None, "unanswered"),
        ({}, None, "error", "error"),
        (CHOICE, "Yes.", "stop", None),
        (CHOICE, "maybe", "stop", "unreadable"),
        (CHOICE, "may", "length", "truncated"),
        (CHOICE, "<think>yes or no</think>no", "stop", None),
        ({"makes": "trace"}, "I see", "length", None),
        ({"makes": "trace"}, "", "stop", "empty"),
        ({"makes": "trace"}, "<think></think>", "stop", "empty"),
        (MARKED, "<think>no</think>I say no.\n<judge>yes</judge>", "stop", None),
        (MARKED, "yes", "stop", "unreadable"),
        (MARKED, "<judge>yes</judge> or <judge>maybe</judge>", "stop", "unreadable"),
        (MARKED, "I say <jud", "length", "truncated"),
        (TAGS, "<think>so</think><answer>4</answer>", "stop", None),
        (TAGS, "<answer>4</answer>", "stop", "unreadable"),
        (TAGS, "<think>so", "length", "truncated"),
    ],
)
def test_causes(section: dict[str, Any], text: str | None, finish: str | None, cause: str | None) -> None:
    assert read(answer(text, finish), ask(**section), "", prose=False).cause == cause


@pytest.mark.parametrize(
    ("reply", "text", "value"),
    [
        ({"choice": ["0", "1"]}, "<think>1</think>It fits: 1 of 1. <judge>1</judge>\nNo: <judge>0</judge>", "0"),
        ({"score": [0, 10]}, "Out of 10, I give it <judge>7.5</judge>", 7.5),
        ({"fields": {"grade": "int"}}, 'First {"grade": 1}. Then <judge>{"grade": 3}</judge>', 3),
    ],
)
def test_a_pattern_says_where_a_choice_a_score_or_fields_are(reply: dict[str, Any], text: str, value: Any) -> None:
    config = ask(reply=reply, answer_pattern=r"<judge>(?P<answer>.*?)</judge>")
    assert list(read(answer(text), config, "", prose=False).values.values()) == [value]


def test_what_is_said_comes_after_thinking_and_with_its_prefix() -> None:
    found = read(answer("star.\n"), ask(), "It is a ", prose=False)
    assert (found.text, found.spoken) == ("It is a star.\n", "It is a star.")
    assert read(answer("<think>Hm.</think>\nA star."), ask(), "", prose=False).spoken == "A star."


def test_a_thought_in_the_servers_own_field_is_the_first_section() -> None:
    found = read(answer("<answer>4</answer>", field="two and two"), ask(**TAGS), "", prose=False)
    assert found.cause is None
    assert found.reading == Reading("two and two", "4", None, True)


def test_a_reply_in_sections_is_read_by_them() -> None:
    text = "<SUMMARY>s</SUMMARY><CAPTION>c</CAPTION><REASONING>r</REASONING><CONCLUSION>4</CONCLUSION>"
    found = read(answer(text), ask(reply={"tags": "staged"}, makes="trace"), "", prose=False)
    assert found.reading is not None
    assert found.reading[:3] == ("r", "4", "s")
    assert found.values["caption"] == "c"


@pytest.mark.parametrize(
    ("tags", "text", "final"),
    [
        ("plain", "red", "red"),
        ("plain", "I say <answer>red</answer>", "red"),
        ("think_answer", "no tags, <answer>red</answer>", "red"),
        ("think_answer", "The answer is red.", None),
    ],
)
def test_the_answer_of_a_reply_is_the_one_that_verifiers_judge(tags: str, text: str, final: str | None) -> None:
    found = read(answer(text), ask(reply={"tags": tags}, makes="rollout"), "", prose=False)
    assert found.reading is not None
    assert found.reading.final == final


def test_a_choice_has_no_thought_but_one_that_it_marks() -> None:
    config = ask(**CHOICE, makes="vote")
    assert read(answer("yes"), config, "", prose=False).reading == Reading("", None, None, False)
    assert read(answer("<think>Hm.</think>yes"), config, "", prose=False).reading == Reading("Hm.", None, None, True)


def test_all_that_is_said_answers_an_open_question() -> None:
    text = "<think>Hm.</think>\nAir scatters blue. So it is blue."
    found = [read(answer(text), ask(makes="trace"), "", prose=prose).reading for prose in (True, False)]
    assert [reading and reading.final for reading in found] == ["Air scatters blue. So it is blue.", "So it is blue."]


@pytest.mark.parametrize(
    ("text", "reasoning", "whole"),
    [
        ("It is red. And", "It is red. And So the answer is red.", "It is red. So the answer is red."),
        ("<think>It is red. And", "It is red. And", "<think>\nIt is red.\n</think>\n\nSo the answer is red."),
    ],
)
def test_a_conclusion_completes_a_reply(text: str, reasoning: str, whole: str) -> None:
    config = ask(makes="trace", conclude="So the answer is")
    found = concluded(read(answer(text, "length"), config, "", prose=False), answer(" red."), config)
    assert found.reading is not None
    assert (found.reading.final, found.reading.reasoning, found.text) == ("red", reasoning, whole)


@pytest.mark.parametrize("conclusion", [answer("."), answer(None, None), answer(None, "error")])
def test_a_conclusion_that_says_nothing_changes_nothing(conclusion: Answer) -> None:
    config = ask(makes="trace", conclude="So the answer is")
    outcome = read(answer("Hm. And", "length"), config, "", prose=False)
    assert concluded(outcome, conclusion, config) == outcome


def test_a_conclusion_may_complete_the_sections_of_a_reply() -> None:
    config = ask(reply={"tags": "final_answer"}, makes="trace", conclude="\nFinal answer:")
    outcome = read(answer("Two and two. It", "length"), config, "", prose=False)
    assert outcome.cause == "truncated"
    found = concluded(outcome, answer(" 4."), config)
    assert found.cause is None
    assert found.reading is not None
    assert found.reading[:2] == ("Two and two.", "4")

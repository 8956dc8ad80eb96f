"""What is asked of models, first and after their answers."""

import re
from typing import Any

import pytest
from asked import CUT, IMAGE, REFUSED, Reply, converse, table
from pydantic import ValidationError

from generators.ask import STEP
from generators.asking.config import AskConfig
from generators.asking.requests import requests
from schemas.completion import Constraint, ImagePart, Sampling
from schemas.errors import ConfigError

SHOWN = ImagePart(IMAGE["sha256"])
ROW = {"question": "What color?", "options": ["red", "blue"], "media": [IMAGE, IMAGE], "caption": "a star"}
WARM = Sampling(temperature=1.0)


def ask(**section: Any) -> AskConfig:
    return AskConfig.model_validate({"model": "m", "prompt": "{{ question }}", **section})


def only(config: AskConfig, **row: Any) -> Any:
    [request] = requests(table(ROW | row), config)
    return request


def test_a_row_is_put_in_the_words_of_the_templates_with_its_images() -> None:
    request = only(ask(system="About {{ caption }}.", shots=[{"question": "Which?", "reply": "red"}]))
    assert [m.role for m in request.messages] == ["system", "user", "assistant", "user"]
    assert request.messages[0].content == ("About a star.",)
    assert request.messages[-1].content == (SHOWN, SHOWN, "What color?\nA) red B) blue")


def test_one_who_sees_nothing_is_shown_nothing() -> None:
    assert only(ask(sees="nothing")).images == ()
    assert only(ask(sees="nothing"), media=[IMAGE | {"position": 5}]).messages[-1].content == (
        "What [image]color?\nA) red B) blue",
    )


def test_one_who_sees_a_column_is_shown_the_images_of_that() -> None:
    crop = [{"kind": "image", "sha256": "cd" * 32}]
    rows = table(ROW | {"crop": crop}, ROW | {"crop": None})
    found = list(requests(rows, ask(sees="crop")))
    assert [(r.id, r.images) for r in found] == [
        ("r0", ("cd" * 32,))
    ]  # where a step gave no image there is nothing to see
    [both, *_] = requests(rows, ask(sees=["media", "crop"]))
    assert both.images == (IMAGE["sha256"], IMAGE["sha256"], "cd" * 32)


def test_a_row_without_media_is_asked_in_words() -> None:
    assert only(ask(), media=None).messages[-1].content == ("What color?\nA) red B) blue",)


def test_a_null_that_the_prompt_does_not_handle_asks_nothing() -> None:
    assert list(requests(table(ROW | {"caption": None}), ask(prompt="{{ caption }}"))) == []
    assert only(ask(prompt="{{ caption or 'none' }}"), caption=None).messages[-1].content[-1] == "none"
    assert list(requests(table(ROW | {"caption": None}), ask(prefix="{{ caption }}"))) == []


def test_decoding_is_held_to_the_form_of_the_reply() -> None:
    reply = {"choice": ["red", "blue"]}
    assert only(ask(reply=reply)).constraint == Constraint("choice", '["red", "blue"]')
    assert only(ask()).constraint is None
    assert only(ask(reply=reply, constrain=False)).constraint is None
    assert only(ask(reply=reply, answer_pattern="<judge>(?P<answer>.*)</judge>")).constraint is None
    given = only(ask(reply=reply, prefix="It is "))
    assert (given.constraint, given.prefix) == (None, "It is ")


BOX = {"answer": r"\[\d, \d\]"}


def test_sections_of_tags_are_held_to_expressions_of_their_own() -> None:
    held = only(ask(reply={"tags": "think_answer"}, constrain=BOX)).constraint
    assert held is not None
    assert held.kind == "regex"
    for answer, meets in (("[1, 2]", True), ("[1, 2] ", False), ("one", False)):
        assert bool(re.fullmatch(held.value, f"<think>It is left.</think>\n<answer>{answer}</answer>")) is meets
    assert not re.fullmatch(held.value, "<think></think><answer>[1, 2]</answer>")
    for reply in ({"tags": "plain"}, "text"):
        assert only(ask(reply=reply, constrain={"answer": "yes|no"})).constraint == Constraint("regex", "(?:yes|no)")


def test_what_is_left_of_sections_that_were_begun_is_held_too() -> None:
    section = {"reply": {"tags": "think_answer"}, "constrain": BOX}
    begun = only(ask(prefix="<think>It is", **section))
    assert re.fullmatch(begun.constraint.value, " left.</think><answer>[1, 2]</answer>")
    assert not re.match(begun.constraint.value, "<think>")
    assert only(ask(prefix="It is", **section)).constraint is None
    assert only(ask(prefix="<think>It is left.</think>", **section)).constraint is None
    boxed = only(ask(prefix="One and ", reply={"tags": "plain_boxed"}, constrain={"answer": r"one is \\boxed\{\d\}"}))
    assert re.fullmatch(boxed.constraint.value, r"one is \boxed{2}")


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"constrain": BOX, "reply": {"choice": ["a", "b"]}}, "names sections, and this form has none"),
        ({"constrain": {}, "reply": {"tags": "think_answer"}}, "names no section; write true or false"),
        ({"constrain": {"answr": "a"}, "reply": {"tags": "think_answer"}}, "has no section 'answr', but think, answer. Did"),
        ({"constrain": {"answer": "(a"}, "reply": {"tags": "think_answer"}}, "is no regular expression: missing"),
        ({"constrain": {"answer": "a*"}, "reply": {"tags": "think_answer"}}, "lets the section 'answer' be empty"),
    ],
)  # fmt: skip
def test_an_expression_is_of_a_section_that_is_there(section: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        ask(**section)


def test_all_samples_of_a_row_are_one_request() -> None:
    assert only(ask(n=8, makes="rollout")).n == 8


def test_a_prompt_file_that_was_not_read_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"'caption\.j2' was not read"):
        list(requests(table(ROW), ask(prompt={"file": "caption.j2"})))


def test_a_reply_that_cannot_be_read_is_asked_for_again_under_the_next_index() -> None:
    config = ask(reply={"choice": ["red", "blue"]}, tries=4, sampling=WARM)
    said: list[Reply] = ["green", CUT, REFUSED, "red"]
    _, turns = converse(STEP, table(ROW), config, lambda request, index: said[index])
    assert [[(r.first, r.n, r.of) for r in turn] for turn in turns] == [
        [(0, 1, 0)],
        [(1, 1, 0)],
        [(2, 1, 1)],
        [(3, 1, 2)],
    ]
    assert {r.messages for turn in turns for r in turn} == {turns[0][0].messages}


def test_each_of_several_replies_has_its_own_tries() -> None:
    config = ask(reply={"choice": ["red", "blue"]}, n=3, tries=2, makes="vote", sampling=WARM)
    _, turns = converse(STEP, table(ROW), config, lambda request, index: "red" if index in (1, 3) else "green")
    assert [(r.first, r.of) for r in turns[1]] == [(3, 0), (4, 2)]
    assert len(turns) == 2


def test_a_sample_that_the_model_was_not_reached_for_is_left_to_the_next_build() -> None:
    config = ask(tries=3, sampling=WARM, makes="trace", conclude="So the answer is")
    _, turns = converse(STEP, table(ROW), config, lambda request, index: None)
    assert len(turns) == 1


def test_a_reply_without_an_answer_is_made_to_conclude() -> None:
    config = ask(makes="trace", conclude="So the answer is", conclude_tokens=9, prefix="Well:", n=3)
    said = ["It is red. And", {"text": "<think>It is red. And", "finish_reason": "length"}, "The answer is red."]

    def model(request: Any, index: int) -> Any:
        return said[index] if request.prefix == "Well:" else " red."

    _, turns = converse(STEP, table(ROW), config, model)
    assert [(r.of, r.first, r.n, r.prefix) for r in turns[1]] == [
        (0, 0, 1, "Well:It is red. So the answer is"),
        (1, 0, 1, "<think>\nWell:It is red.\n</think>\n\nSo the answer is"),
    ]
    assert turns[1][0].sampling == Sampling(temperature=0.0, max_tokens=9, stop=("\n",))
    assert turns[1][0].messages == turns[0][0].messages
    assert len(turns) == 2


def test_all_tries_come_before_a_conclusion() -> None:
    config = ask(makes="trace", conclude="So it is", tries=2, sampling=WARM)
    _, turns = converse(
        STEP, table(ROW), config, lambda request, index: "red" if "So it is" in request.prefix else "Hm."
    )
    assert [[(r.first, r.of, r.prefix) for r in turn] for turn in turns] == [
        [(0, 0, "")], [(1, 0, "")], [(0, 1, "Hm. So it is")],
    ]  # fmt: skip

"""Worked examples are turns in the words of the prompt."""

import pytest

from generators.asking.shots import Shot, turns
from generators.template import Template
from schemas.completion import Message

PROMPT = Template("{% if caption %}Description: {{ caption }}\n{% endif %}{{ question }}")


def test_an_example_is_a_question_and_a_reply() -> None:
    shots = (
        Shot.model_validate({"question": "Which?", "options": ["red", "blue"], "caption": "a star", "reply": "red"}),
        Shot.model_validate({"question": "How many?", "reply": "two"}),
    )
    assert list(turns(shots, PROMPT)) == [
        Message("user", ("Description: a star\nWhich?\nA) red B) blue",)),
        Message("assistant", ("red",)),
        Message("user", ("How many?",)),
        Message("assistant", ("two",)),
    ]


@pytest.mark.parametrize(
    ("shot", "sentence"),
    [
        (
            {"question": "q", "captoin": "c", "reply": "r"},
            r"shots\[0\]: the prompt reads no 'captoin'. Did you mean 'caption'",
        ),
        ({"caption": "c", "reply": "r"}, r"shots\[0\]: 'question' is null"),
    ],
)
def test_an_example_has_the_fields_of_the_prompt(shot: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        list(turns((Shot.model_validate(shot),), PROMPT))

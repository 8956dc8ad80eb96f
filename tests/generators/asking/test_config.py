"""What a section that asks may not say, in a sentence."""

from typing import Any

import pytest
from pydantic import ValidationError

from generators.asking.config import AskConfig

WARM = {"temperature": 1.0}


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"n": 2}, "n: 2 gives a row 2 replies; say with `makes`"),
        ({"model": ["a", "b"]}, "several models give a row several replies; say with `makes`"),
        ({"model": ["a", "a"], "makes": "draft"}, "names a model twice"),
        ({"model": []}, "at least 1"),
        ({"conclude": "So"}, "it needs `makes`"),
        (
            {"conclude": "So", "makes": "x", "reply": {"choice": ["a", "b"]}},
            "others give their answer or are unreadable",
        ),
        ({"tries": 2}, "at temperature 0 all are the same"),
        ({"sees": ["nothing", "media"]}, "a model that is shown none has `sees: nothing`"),
        ({"sees": []}, "a model that is shown none has `sees: nothing`"),
        ({"answer_pattern": "x"}, "no group named answer"),
        ({"answer_pattern": "("}, "not a regular expression"),
        (
            {"answer_pattern": "(?P<answer>x)", "reply": {"tags": "staged"}},
            "the sections of staged say where the answer is",
        ),
        ({"gives": {}}, "leaves nothing of the reply"),
        (
            {"gives": {"x": "labl"}, "reply": {"fields": {"label": "str"}}},
            "the reply has no 'labl'. Did you mean 'label'",
        ),
        ({"makes": "draft", "gives": {"text": "final"}}, "'text' is a column that rows of replies have already"),
        ({"makes": "draft", "reply": {"fields": {"tokens": "int"}}}, "'tokens' is a column that rows of replies have"),
        ({"prompt": "{{ question"}, "prompt"),
        ({"prompt": "{question}"}, r"fields of a prompt are written \{\{ question \}\}"),
        ({"shots": [{"question": "q"}]}, "reply"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(section: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        AskConfig.model_validate({"model": "m", "prompt": "{{ question }}"} | section)


def test_tries_need_chance_and_several_replies_a_unit() -> None:
    config = AskConfig.model_validate(
        {"model": ["a", "b"], "prompt": "{{ question }}", "n": 3, "tries": 2, "makes": "draft", "sampling": WARM}
    )
    assert config.models == ("a", "b")
    assert AskConfig(model="a", prompt="x").models == ("a",)


@pytest.mark.parametrize(
    ("sees", "shown"),
    [("media", ("media",)), ("nothing", ()), ("crop", ("crop",)), (("media", "crop"), ("media", "crop"))],
)
def test_a_model_is_shown_media_columns(sees: Any, shown: tuple[str, ...]) -> None:
    assert AskConfig(model="a", prompt="x", sees=sees).shown == shown

"""How rows become messages, and messages the columns of a release; no other place puts a question into words."""

import re
from pathlib import Path
from typing import Any

import pytest

from generators.prompts import places, shown, turns
from generators.template import Template, asked
from schemas.completion import ImagePart
from schemas.marks import put_marks

ROOT = Path(__file__).parents[2]
TWO = [{"kind": "image", "sha256": letter * 64, "position": at} for letter, at in (("a", 3), ("b", 7))]
ROW: dict[str, Any] = {"id": "r", "question": "Is  or  red?", "options": None, "media": TWO}
A, B = ImagePart("a" * 64), ImagePart("b" * 64)


@pytest.mark.parametrize("template", ["{{ question }}", "Q: {{ question }}!", "{{ question }} {{ question }}", "Look."])
def test_text_and_places_of_a_turn_hold_all_that_was_shown(template: str) -> None:
    messages = asked(ROW, Template(template), Template("Think."), sees=True)
    assert turns(messages)[0] == {"role": "system", "content": "Think."}
    text, at = turns(messages)[-1]["content"], places(messages)
    assert text == template.replace("{{ question }}", ROW["question"])
    content = "".join(part if isinstance(part, str) else "<image>" for part in messages[-1].content)
    assert put_marks(text, at or [0, 0]) == content
    assert shown(messages) == [A, B]


def test_another_order_of_images_is_shown_at_the_same_places() -> None:
    row = {**ROW, "options": ["yes", "no"], "media": TWO[::-1]}
    [turn] = asked(row, Template("{{ question }}"), None, sees=True)
    assert turn.content == ("Is ", B, " or ", A, " red?\nA) yes B) no")
    front = {**ROW, "media": [{**image, "position": None} for image in TWO]}
    messages = asked(front, Template("{{ question }}"), None, sees=True)
    assert messages[0].content == (A, B, "Is  or  red?") and places(messages) == []


def test_nothing_else_puts_a_question_into_words() -> None:
    """Whoever writes a release takes the messages that were sent; a second renderer would differ from the first one day."""
    renders = re.compile(r"\b(question_text|conversation)\(|\.format\(\s*question=")
    sources = [path for folder in ("pipelines", "filters", "flows") for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    assert [path.name for path in sources if renders.search(path.read_text(encoding="utf-8"))] == []

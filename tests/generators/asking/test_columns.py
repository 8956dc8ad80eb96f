"""Which columns a reply gives."""

from typing import Any

import polars as pl
import pytest

from generators.asking.columns import given, thought
from schemas.reply_shape import Form
from schemas.tags import TAG_SCHEMAS

FIELDS = Form.model_validate({"fields": {"question": "str", "types": ["str"], "hard": "int"}})


@pytest.mark.parametrize(
    ("reply", "gives", "makes", "columns"),
    [
        ("text", None, None, {"it": "text"}),
        ("text", {"opening": "text"}, None, {"opening": "text"}),
        ("text", {"why": "reasoning", "what": "final"}, None, {"why": "reasoning", "what": "final"}),
        ("text", {}, "trace", {}),
        ("text", None, "draft", {"it": "text"}),
        (Form(choice=("a", "b")), None, None, {"it": "choice"}),
        (Form(choice=("a", "b")), {"kind": "choice"}, None, {"kind": "choice"}),
        (Form(score=(0, 9)), None, None, {"it": "score"}),
        (FIELDS, None, None, {"question": "question", "types": "types", "hard": "hard"}),
        (FIELDS, {"q": "question"}, None, {"types": "types", "hard": "hard", "q": "question"}),
        (FIELDS, {"final": "question"}, "draft", {"types": "types", "hard": "hard", "final": "question"}),
        (Form(tags="staged"), None, None, {n: n for n in ("summary", "caption", "reasoning", "conclusion")}),
        (Form(tags="staged"), None, "trace", {"caption": "caption"}),
        (Form(tags="plain"), None, "rollout", {}),
    ],
)
def test_the_form_of_a_reply_gives_columns_that_gives_renames(
    reply: Any, gives: dict[str, str] | None, makes: str | None, columns: dict[str, str]
) -> None:
    assert {name: source for name, (source, _) in given(reply, gives, makes, "it").items()} == columns


def test_columns_have_the_types_of_their_fields() -> None:
    found = given(FIELDS, {"final": "question"}, "draft", "it")
    assert {name: dtype for name, (_, dtype) in found.items()} == {
        "types": pl.List(pl.String), "hard": pl.Int64, "final": pl.String,
    }  # fmt: skip


def test_an_answer_is_a_text() -> None:
    with pytest.raises(ValueError, match=r"gives: \{my_final: hard\}"):
        given(FIELDS, {"final": "hard"}, "draft", "it")


@pytest.mark.parametrize(
    ("schema", "values", "text"),
    [
        ("think_answer", {"think": "so", "answer": "4"}, "so"),
        ("staged", {"summary": "s", "caption": "c", "reasoning": "r", "conclusion": "4"}, "r"),
        ("caption_bbox_answer", {"caption": "c", "bbox": "b", "answer": "4"}, "c\n\nb"),
        ("think_reflect_answer", {"think": "so", "reflection": None, "answer": "4"}, "so"),
        ("plain", {"answer": "4"}, None),
    ],
)
def test_the_thought_of_a_reply_in_sections(schema: str, values: dict[str, str | None], text: str | None) -> None:
    assert thought(TAG_SCHEMAS[schema], values) == text

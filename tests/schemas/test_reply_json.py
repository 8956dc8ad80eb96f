"""Fields of a JSON object in a reply, as models write them."""

from typing import Any

import pytest

from schemas.reply_json import Reader, read_object

READERS: dict[str, Reader] = {"question": "str", "count": "int"}
OK = {"question": "Why?", "count": 2}

CASES: list[tuple[str, dict[str, Any] | None]] = [
    ('{"question": "Why?", "count": 2}', OK),
    ('```json\n{"question": "Why?", "count": 2}\n```', OK),
    ('Here you are:\n{"question": "Why?", "count": 2}\nAnything else?', OK),
    ('{"question": "Why?", "count": "2", "why": null}', OK),
    ('{"Question": "Why?", " COUNT ": 2.0}', OK),
    ('[{"question": "Why?", "count": 2}]', OK),
    ('{"result": {"question": "Why?", "count": 2}}', OK),
    ('{"question": "How?", "count": 1} No, rather {"question": "Why?", "count": 2}', OK),
    ('{"question": "Why?", "count": 2} as in {"example": 1}', OK),
    ('{"question": "Why {\\"question\\": 1}?", "count": 2}', {"question": 'Why {"question": 1}?', "count": 2}),
    ('{"question": "a\nb", "count": 2}', {"question": "a\nb", "count": 2}),
    ('{"question": "\\ud800", "count": 2}', {"question": "\ufffd", "count": 2}),
    ('{"question": "\\ud83d\\ude00", "count": 2}', {"question": "😀", "count": 2}),
    ('{"question": 4, "count": 2}', {"question": "4", "count": 2}),
    ('{"question": "Why?", "count": 2,}', None),
    ("{'question': 'Why?', 'count': 2}", None),
    ('{"question": "Why?"}', None),
    ('{"question": null, "count": 2}', None),
    ('{"question": "Why?", "count": 2.5}', None),
    ('{"question": "Why?", "count": true}', None),
    ('{"question": "Why?", "count": NaN}', None),
    ('{"question": "Why?", "count": 1e400}', None),
    ('{"question": ["Why?"], "count": 2}', None),
    ('{"question": "Why?", "count": 2', None),
    ("question: Why?, count: 2", None),
    ("", None),
    ('{"question": "Why?", "count": 1' + "0" * 5000 + "}", None),
    ('{"a": ' * 100_000, None),
    ('{"' * 100_000, None),
]


@pytest.mark.parametrize(("text", "fields"), CASES, ids=[text[:50] for text, _ in CASES])
def test_the_last_object_with_all_fields(text: str, fields: dict[str, Any] | None) -> None:
    assert read_object(text, READERS) == fields


@pytest.mark.parametrize(
    ("reader", "value", "read"),
    [
        ("bool", "true", True),
        ("bool", '"Yes"', True),
        ("bool", "1", None),
        ("float", '"0.5"', 0.5),
        ("float", '"half"', None),
        ("float", "true", None),
        (("str",), '["a", "b"]', ["a", "b"]),
        (("str",), "[]", []),
        (("str",), '"a"', None),
        (("int",), "[1, 2.0]", [1, 2]),
        (("int",), "[1, null]", None),
        (("float",), "[1, 2.5]", [1.0, 2.5]),
        (str.upper, '"a"', "A"),
    ],
)
def test_values_have_their_type(reader: Reader, value: str, read: Any) -> None:
    assert read_object(f'{{"x": {value}}}', {"x": reader}) == (None if read is None else {"x": read})

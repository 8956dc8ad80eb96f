import json
from typing import Any

import pytest

from generators.engines.constraints import grammar_fault, server_parameters, strict_fault
from schemas.completion import Constraint

OBJECT: dict[str, Any] = {
    "type": "object",
    "properties": {"seen": {"type": "string", "maxLength": 20}, "count": {"type": "integer"}},
    "required": ["seen", "count"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        ("json", json.dumps(OBJECT), None),
        ("json", '{"enum": ["a", 1, null]}', None),
        ("choice", '["yes", "no", "yes, but", "\\"quoted\\" \\\\ /"]', None),
        ("regex", "Score: ([0-9]|10)", None),
        ("json", "{", "Expecting property name"),
        ("json", "[1]", "a JSON schema is an object"),
        ("json", '{"type": "text"}', "Invalid type: text"),
        ("json", '{"not": {}}', 'Unimplemented keys: ["not"]'),
        ("json", '{"type": "integer", "minimum": 5, "maximum": 2}', "minimum (5) is greater than maximum (2)"),
        ("choice", "[]", "a list of texts"),
        ("choice", '["yes", ""]', "none of them empty"),
        ("choice", '"yes"', "a list of texts"),
        ("regex", "(", "unclosed group"),
        ("regex", "(?=a)b", "look-around"),
        ("regex", r"(a)\1", "backreferences are not supported"),
    ],
)
def test_what_cannot_be_enforced_is_one_line(kind: Any, value: str, says: str | None) -> None:
    found = grammar_fault(Constraint(kind, value))
    if says is None:
        assert found is None
    else:
        assert found is not None
        assert says in found
        assert "\n" not in found


def test_a_server_reads_a_schema_as_a_response_format_and_the_rest_in_the_names_of_vllm() -> None:
    named, extra = server_parameters(Constraint("json", json.dumps(OBJECT)))
    assert named["response_format"]["json_schema"] == {"name": "reply", "schema": OBJECT, "strict": True}
    assert (named["response_format"]["type"], extra) == ("json_schema", {})
    assert server_parameters(Constraint("choice", '["yes", "no"]')) == (
        {},
        {"structured_outputs": {"choice": ["yes", "no"]}},
    )
    assert server_parameters(Constraint("regex", "[0-9]")) == ({}, {"structured_outputs": {"regex": "[0-9]"}})


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, None),
        ({"additionalProperties": True}, "$ needs additionalProperties: false"),
        ({"required": ["seen"]}, "$.required lacks 'count'"),
        ({"type": "array"}, "of the type object"),
        (
            {"properties": {"seen": {"type": "array", "items": {"type": "object"}}}, "required": ["seen"]},
            "$.seen[] needs additionalProperties: false",
        ),
    ],
)
def test_what_a_servers_strict_mode_refuses_has_its_place(changed: dict[str, Any], says: str | None) -> None:
    found = strict_fault(Constraint("json", json.dumps(OBJECT | changed)))
    assert found == says if says is None else says in str(found)


def test_a_schema_that_is_no_json_is_a_fault() -> None:
    assert "Expecting" in str(strict_fault(Constraint("json", "{")))

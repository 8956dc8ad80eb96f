"""The forms that replies can be held to: as a grammar for llguidance, and as parameters for a server.

llguidance (github.com/guidance-ai/llguidance, MIT) turns a grammar and a tokenizer into the set of tokens that may come
next; our own engine asks it for every token. vLLM's xgrammar has nearly the same limits, so what is found here before a
build would be refused there, too.
"""

import json
from typing import Any

from schemas.completion import Constraint


def grammar_of(constraint: Constraint) -> str:
    """A constraint as llguidance reads it. JSON is compact: blanks between its parts are where a small model gets lost.

    Raises:
        ValueError: the constraint's value is not what its kind says.
    """
    from llguidance import LLMatcher, grammar_from

    if constraint.kind == "regex":
        return str(LLMatcher.grammar_from_regex(constraint.value))
    value = json.loads(constraint.value)
    if constraint.kind == "choice":
        if not isinstance(value, list) or not value or not all(isinstance(text, str) and text for text in value):
            raise ValueError("a choice is a list of texts, none of them empty")
        return str(grammar_from("choice", json.dumps(value)))
    if not isinstance(value, dict):
        raise ValueError("a JSON schema is an object")
    return str(LLMatcher.grammar_from_json_schema(json.dumps(value), overrides={"whitespace_flexible": False}))


def grammar_fault(constraint: Constraint) -> str | None:
    """What llguidance cannot enforce of a constraint, in its own words; None where it can. Needs no tokenizer."""
    from llguidance import LLMatcher

    try:
        message = LLMatcher.validate_grammar(grammar_of(constraint))
    except ValueError as error:
        message = str(error)
    return " ".join(_sentence(message).split()) or None


def _sentence(message: str) -> str:
    """The last line that says `error:` (the rest draws the place), or the first line."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    errors = [line.removeprefix("error:") for line in lines if line.startswith("error:")]
    return (errors or lines or [""])[0]


def server_parameters(constraint: Constraint) -> tuple[dict[str, Any], dict[str, Any]]:
    """A constraint in the words of the chat completions API: named parameters, and those of the extra body.

    A schema is `response_format` (OpenAI, Structured Outputs), which most servers know; choice and regex are vLLM's
    `structured_outputs` (vLLM, docs/features/structured_outputs.md, since 0.12). Whether JSON may hold blanks is a
    setting of the server: vLLM's `--structured-outputs-config.disable_any_whitespace`.
    """
    if constraint.kind == "json":
        schema = {"name": "reply", "schema": json.loads(constraint.value), "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}, {}
    value = json.loads(constraint.value) if constraint.kind == "choice" else constraint.value
    return {}, {"structured_outputs": {constraint.kind: value}}


def strict_fault(constraint: Constraint) -> str | None:
    """What a server's strict mode refuses in a JSON schema, with its place; None where nothing.

    Every object lists all its properties in `required` and allows no others (OpenAI, Structured Outputs, supported
    schemas); the reply itself is an object.
    """
    try:
        schema = json.loads(constraint.value)
    except ValueError as error:
        return str(error)
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "the schema of a server's reply is of the type object"
    return _strict_fault(schema, "$")


def _strict_fault(schema: Any, place: str) -> str | None:
    if not isinstance(schema, dict):
        return None
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        names = set(properties or {})
        if schema.get("additionalProperties") is not False:
            return f"{place} needs additionalProperties: false"
        if left := sorted(names - set(schema.get("required") or ())):
            return f"{place}.required lacks '{left[0]}'"
    inner = [(f"{place}.{name}", part) for name, part in (properties or {}).items()]
    inner += [(f"{place}[]", schema.get("items"))]
    inner += [(f"{place}|{n}", part) for n, part in enumerate(schema.get("anyOf") or ())]
    inner += [(f"{place}#{name}", part) for name, part in (schema.get("$defs") or {}).items()]
    return next((fault for where, part in inner if (fault := _strict_fault(part, where))), None)

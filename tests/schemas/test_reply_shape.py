"""The form of a reply: what a recipe may say, which columns it gives, and that what decoding is held to is read."""

import json
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from schemas.reply_shape import FEW, Form, Reply, columns, constraint, parse, room
from schemas.tags import TAG_SCHEMAS, render


class Config(BaseModel):
    reply: Reply = "text"


def form(value: Any) -> Reply:
    return Config.model_validate({"reply": value}).reply


FIELDS = {"label": "str", "count": "int", "share": "float", "seen": "bool", "names": ["str"], "xyxy": ["float"],
          "kind": {"choice": ["a b", "c"]}, "grade": {"score": [0, 9]}, "how_sure": {"score": [0.0, 1.0]}}  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "given_columns"),
    [
        ("text", {"caption": pl.String()}),
        ({"choice": ["keep", "reject"]}, {"caption": pl.String()}),
        ({"score": [0, 9]}, {"caption": pl.Float64()}),
        ({"tags": "caption_bbox_answer"}, dict.fromkeys(("caption", "bbox", "answer"), pl.String())),
        (
            {"fields": FIELDS},
            {"label": pl.String(), "count": pl.Int64(), "share": pl.Float64(), "seen": pl.Boolean(),
             "names": pl.List(pl.String()), "xyxy": pl.List(pl.Float64()), "kind": pl.String(), "grade": pl.Float64(),
             "how_sure": pl.Float64()},
        ),
    ],
)  # fmt: skip
def test_the_form_decides_the_columns(reply: Any, given_columns: dict[str, pl.DataType]) -> None:
    assert columns(form(reply), "caption") == given_columns
    assert Config.model_validate_json(Config(reply=form(reply)).model_dump_json()).reply == form(reply)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("json", "text"),
        ({}, "one of choice, score, tags, fields; this has none"),
        ({"choice": ["a", "b"], "score": [0, 1]}, "this has choice and score"),
        ({"choise": ["a", "b"]}, "choise"),
        ({"choice": "yes"}, "a list of texts"),
        ({"choice": [True, False]}, 'in quotes, as "yes"'),
        ({"choice": [0, 1]}, 'in quotes, as "0"'),
        ({"choice": ["only"]}, "two texts at least"),
        ({"choice": ["Yes", "yes."]}, "'Yes' and 'yes.' read alike"),
        ({"choice": ["a", " "]}, "not empty"),
        ({"score": [9, 0]}, "lowest value first"),
        ({"score": [0, "9"]}, "score"),
        ({"score": [False, True]}, "score"),
        ({"tags": "stagd"}, "no tag schema 'stagd'. Did you mean 'staged'?"),
        ({"fields": {}}, "no name of a field"),
        ({"fields": {"a-b": "str"}}, "'a-b' is no name of a field"),
        ({"fields": {"a": "strr"}}, "Did you mean 'str'?"),
        ({"fields": {"a": ["bool"]}}, "[str], [int], [float]"),
        ({"fields": {"a": {"choice": [True, False]}}}, 'in quotes, as "yes"'),
        ({"fields": {"a": {"tags": "staged"}}}, "tags"),
    ],
)
def test_what_is_no_form_is_refused(reply: Any, why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        form(reply)
    assert why in str(refused.value)


def test_a_text_is_all_that_a_reply_says() -> None:
    assert parse("text", " Red.\n", "caption") == {"caption": "Red."}
    assert parse("text", " \n") is None
    assert parse(form({"choice": ["keep", "reject"]}), "**Keep**", "gate") == {"gate": "keep"}
    assert parse(form({"score": [0, 9]}), "Score: 7", "grade") == {"grade": 7.0}


STAGED = "<SUMMARY>s</SUMMARY><CAPTION>c</CAPTION><REASONING>r</REASONING><CONCLUSION>4</CONCLUSION>"


@pytest.mark.parametrize(
    ("schema", "text", "thought", "read"),
    [
        ("staged", STAGED, "", {"summary": "s", "caption": "c", "reasoning": "r", "conclusion": "4"}),
        ("staged", STAGED[9:], "", None),
        ("think_answer", "<think>t</think><answer>4</answer>", "", {"think": "t", "answer": "4"}),
        ("think_answer", "<answer>4</answer>", "t", {"think": "t", "answer": "4"}),  # the server parted it
        ("think_answer", "<answer>4</answer>", "", None),
        ("think_answer", "<think>t</think><answer> </answer>", "", None),
        ("think_answer_boxed", "<think>t</think><answer>\\boxed{4}</answer>", "", {"think": "t", "answer": "4"}),
        ("think_reflect_answer", "<think>t</think><answer>4</answer>", "",
         {"think": "t", "reflection": None, "answer": "4"}),
        ("final_answer", "It is red.\nFinal answer: red", "", {"reasoning": "It is red.", "answer": "red"}),
        ("final_answer", "It is red.", "", None),
    ],
)  # fmt: skip
def test_sections_are_columns(schema: str, text: str, thought: str, read: dict[str, str] | None) -> None:
    reply = form({"tags": schema})
    assert parse(reply, text, thought=thought) == read
    assert read is None or set(read) == set(columns(reply))


# --- what decoding is held to is read ------------------------------------------------------------------------------

FREE = {"plain", "think_chars_answer"}


@pytest.mark.parametrize("schema", sorted(set(TAG_SCHEMAS) - FREE))
@pytest.mark.parametrize("longest", [None, 60])
@settings(max_examples=20)
@given(data=st.data())
def test_what_matches_the_pattern_of_tags_parses(schema: str, longest: int | None, data: st.DataObject) -> None:
    reply = form({"tags": schema})
    held = constraint(reply, longest)
    assert held is not None
    text = data.draw(st.from_regex(re.compile(held.value), fullmatch=True))
    read = parse(reply, text)
    assert read is not None, text
    required = [s.name for s in TAG_SCHEMAS[schema].sections if not s.optional]
    assert all(read[name] for name in required if name != "reasoning")


def test_replies_as_models_write_them_match_the_pattern_of_tags() -> None:
    thought = "The base is 3 < x and f(x) <= 4.\n\nSo \\frac{1}{2} of it is left: 2."
    for schema in TAG_SCHEMAS.values():
        held = constraint(form({"tags": schema.name}))
        if held is None:
            assert schema.name in FREE
            continue
        answer = "\\boxed{\\frac{\\sqrt{2}}{2}}" if schema.inner == "boxed" else "x = 2"
        text = render(schema, dict.fromkeys((s.name for s in schema.sections), thought) | {schema.answer: answer})
        assert re.fullmatch(held.value, text), schema.name


def _meets(schema: dict[str, Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911
    """Values of a JSON schema."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            assert schema["required"] == list(schema["properties"]) and not schema["additionalProperties"]
            return st.fixed_dictionaries({name: _meets(kind) for name, kind in schema["properties"].items()})
        case "array":
            return st.lists(_meets(schema["items"]), max_size=min(schema["maxItems"], 3))
        case "string":
            return st.text(st.characters(), max_size=min(schema["maxLength"], 20))
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "number":
            return st.floats(schema["minimum"], schema["maximum"]) | st.integers(schema["minimum"], schema["maximum"])
        case "boolean":
            return st.booleans()
    raise AssertionError(schema)


_kinds = st.one_of(
    st.sampled_from(["str", "int", "float", "bool", ["str"], ["int"], ["float"]]),
    st.just({"choice": ["a b", "c", "not c"]}),
    st.sampled_from([{"score": [0, 9]}, {"score": [-2, 2]}, {"score": [0.0, 1.0]}]),
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c_d"]), _kinds, min_size=1), st.data(), st.booleans())
def test_what_meets_the_json_schema_parses(kinds: dict[str, Any], data: st.DataObject, ascii_only: bool) -> None:
    reply = form({"fields": kinds})
    held = constraint(reply)
    assert held is not None and held.kind == "json"
    value = data.draw(_meets(json.loads(held.value)))
    for around in ("{}", "```json\n{}\n```", "Here it is {{as you like}}:\n{}\nThat is all."):
        read = parse(reply, around.format(json.dumps(value, ensure_ascii=ascii_only)))
        assert read is not None
        assert {name: item for name, item in read.items() if kinds[name] != "str"} == {
            name: item for name, item in value.items() if kinds[name] != "str"
        }
        frame = pl.DataFrame([read], schema=columns(reply))
        assert frame.height == 1 and frame.null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize("choices", [["yes", "no"], ["EQUIVALENT", "NOT EQUIVALENT"], ["A", "B"], ["C", "C++", "C#"],
                                     ["-1", "1", "0.5"], ["+", "-"], ["对", "错"], ["a, b", "the answer is c"]])  # fmt: skip
def test_a_choice_itself_is_read(choices: list[str]) -> None:
    reply = form({"choice": choices})
    held = constraint(reply)
    assert held is not None and (held.kind, json.loads(held.value)) == ("choice", choices)
    for choice in choices:
        for text in (
            choice,
            f" {choice}\n",
            f"**{choice}**",
            f'"{choice}"',
            choice.upper(),
            f"<answer>{choice}</answer>",
        ):
            assert parse(reply, text) == {"text": choice}, text


@pytest.mark.parametrize("bounds", [[0, 9], [-5, 5], [0.0, 1.0], [1.0, 5.0], [0, 1.0], [0, 100]])
@settings(max_examples=20)
@given(data=st.data())
def test_what_a_score_is_held_to_is_read(bounds: list[float], data: st.DataObject) -> None:
    reply = form({"score": bounds})
    held = constraint(reply)
    assert held is not None
    texts = (
        st.sampled_from(json.loads(held.value)) if held.kind == "choice" else st.from_regex(held.value, fullmatch=True)
    )
    text = data.draw(texts)
    assert parse(reply, text) == {"text": float(text)}


def test_what_is_free_is_held_to_nothing() -> None:
    assert constraint("text") is None
    assert constraint(form({"tags": "plain"})) is None
    assert constraint(form({"score": [0.5, 1.5]})) is None
    assert constraint(form({"score": [-1.0, 1.0]})) is None


def test_the_length_of_texts_can_be_bound() -> None:
    held = constraint(form({"fields": {"a": "str", "b": "str", "c": "int"}}), longest=100)
    assert held is not None
    assert [kind.get("maxLength") for kind in json.loads(held.value)["properties"].values()] == [50, 50, None]
    tags = constraint(Form(tags="think_answer"), longest=100)
    assert tags is not None
    assert re.fullmatch(tags.value, "<think>" + "t" * 45 + "</think>\n<answer>4</answer>")
    assert not re.fullmatch(tags.value, "<think>" + "t" * 100 + "</think>\n<answer>4</answer>")


@pytest.mark.parametrize(
    ("reply", "tokens", "characters"),
    [
        ("text", 40, None),
        (form({"fields": {"a": "str"}}), 40, 31),
        (form({"fields": {"a": "str", "b": ["str"]}}), 40, 22),
        (form({"fields": {"a": "str"}}), 2, 1),
        (form({"fields": {"a": "str"}}), FEW + 1, None),
    ],
)
def test_a_short_reply_has_room_for_texts_that_end_within_its_tokens(
    reply: Reply, tokens: int, characters: int | None
) -> None:
    assert room(reply, tokens) == characters


def test_with_little_room_the_longest_reply_of_the_form_is_short() -> None:
    reply = form({"fields": {"a": "str", "b": "str"}})
    held = constraint(reply, room(reply, 40))
    assert held is not None
    texts = json.loads(held.value)["properties"].values()
    assert sum(text["maxLength"] for text in texts) <= 22

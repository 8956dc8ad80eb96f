import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tags import TAG_SCHEMAS, TagSchema, last_boxed, parse_tags, render, render_trace, thoughts

THINK = TAG_SCHEMAS["think_answer"]


def filled(schema: TagSchema, text: str = "some words") -> dict[str, str]:
    sections = {}
    for tag in schema.sections:
        nested = [t for t in schema.sections if t.within == tag.name]
        inside = " ".join(f"{t.open}{text}{t.close}" for t in nested)
        sections[tag.name] = f"{text} {inside}".strip()
    return sections


@pytest.mark.parametrize("name", sorted(TAG_SCHEMAS))
def test_what_is_rendered_is_parsed_without_a_violation(name: str) -> None:
    schema = TAG_SCHEMAS[name]
    sections = filled(schema)
    parsed = parse_tags(render(schema, sections), schema)
    assert parsed.violation is None
    assert parsed.answer_span == "some words"
    for tag in schema.sections:
        assert "some words" in parsed.sections[tag.name]


@pytest.mark.parametrize(
    ("text", "violation"),
    [
        ("<think>a</think><answer>5</answer>", None),
        ("<think>a\nb</think>\n\n<answer>\n5\n</answer>\n", None),
        ("so <think>a</think><answer>5</answer>", "text outside the sections, before <think>"),
        ("<think>a</think> so <answer>5</answer>", "text outside the sections, before <answer>"),
        ("<think>a</think><answer>5</answer> done", "text outside the sections, after </answer>"),
        ("<think>a</think><answer>5", "</answer> is missing"),
        ("<think>a<answer>5</answer>", "</think> is missing"),
        ("<think>a</think>", "<answer> is missing"),
        ("5", "<think> is missing"),
        ("", "<think> is missing"),
        ("<answer>5</answer><think>a</think>", "text outside the sections, before <think>"),
        ("<think>a</think><answer>5</answer><answer>6</answer>", "<answer> occurs twice or out of order"),
        ("<think>a<think>b</think><answer>5</answer>", "<think> is opened twice"),
        ("<think>a</think><answer></answer>", "answer is empty"),
    ],
)
def test_the_first_violation_is_named(text: str, violation: str | None) -> None:
    assert parse_tags(text, THINK).violation == violation


def test_a_boxed_schema_wants_a_box_and_gives_its_inside() -> None:
    schema = TAG_SCHEMAS["think_answer_boxed"]
    good = parse_tags("<think>a</think><answer>so \\boxed{\\frac{1}{2}}</answer>", schema)
    assert good.answer_span == "\\frac{1}{2}"
    assert good.violation is None
    bad = parse_tags("<think>a</think><answer>5</answer>", schema)
    assert bad.answer_span is None
    assert bad.violation == "no \\boxed{} in answer"
    assert render(schema, {"think": "a", "answer": "5"}) == "<think>a</think>\n<answer>\\boxed{5}</answer>"


def test_a_nested_section_must_occur_once_inside_its_parent() -> None:
    schema = TAG_SCHEMAS["think_chars_answer"]
    good = parse_tags("<think>x <chars>a b</chars> y</think><answer>ab</answer>", schema)
    assert good.violation is None
    assert good.sections["chars"] == "a b"
    assert parse_tags("<think>x</think><answer>ab</answer>", schema).violation == "<chars> is missing in think"
    twice = "<think><chars>a</chars><chars>b</chars></think><answer>ab</answer>"
    assert parse_tags(twice, schema).violation == "<chars> must occur once in think"


def test_an_optional_section_may_be_missing() -> None:
    schema = TAG_SCHEMAS["think_reflect_answer"]
    assert parse_tags("<think>a</think><answer>5</answer>", schema).violation is None
    parsed = parse_tags("<think>a</think><reflection>b</reflection><answer>5</answer>", schema)
    assert parsed.sections["reflection"] == "b"


def test_a_required_section_cannot_be_left_out_when_rendering() -> None:
    with pytest.raises(KeyError, match="answer"):
        render(THINK, {"think": "a"})


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("\\boxed{5}", "5"),
        ("\\boxed{a{b}c}", "a{b}c"),
        ("\\boxed{1} and \\boxed{2}", "2"),
        ("\\boxed{1} and \\boxed{2", "1"),
        ("{ \\boxed{5}", "5"),
        ("\\boxed{\\{1,2\\}}", "\\{1,2\\}"),
        ("\\fbox{5}", "5"),
        ("\\boxed {5}", "5"),
        ("\\boxed{\\boxed{5}}", "5"),
        ("boxed{5}", None),
        ("", None),
    ],
)
def test_the_last_balanced_box(text: str, inside: str | None) -> None:
    assert last_boxed(text) == inside


@pytest.mark.parametrize("name", [n for n, s in TAG_SCHEMAS.items() if len(thoughts(s)) == 1])
def test_a_trace_is_its_reasoning_and_its_answer(name: str) -> None:
    schema = TAG_SCHEMAS[name]
    parsed = parse_tags(render_trace(schema, "It is red.", "5"), schema)
    assert (parsed.violation, parsed.answer_span) == (None, "5")
    assert parsed.sections[thoughts(schema)[0]] == "It is red."


def test_some_schemas_ask_for_more_than_a_reasoning_or_for_none() -> None:
    assert thoughts(TAG_SCHEMAS["staged"]) == ("summary", "caption", "reasoning")
    assert thoughts(TAG_SCHEMAS["thought_solution"]) == ("thought",)
    assert render_trace(TAG_SCHEMAS["plain"], "It is red.", "5") == "5"


def test_boxes_that_never_close_are_read_in_one_pass() -> None:
    assert last_boxed("\\boxed{" * 200_000) is None
    assert last_boxed("\\boxed{7}" + "\\boxed{" * 200_000) == "7"


@given(st.text(max_size=300), st.sampled_from(sorted(TAG_SCHEMAS)))
def test_parsing_never_raises(text: str, name: str) -> None:
    parsed = parse_tags(text, TAG_SCHEMAS[name])
    assert parsed.answer_span is None or parsed.answer_span.strip() == parsed.answer_span


@given(st.text(alphabet="<>/thinkanswer {}\\boxed\n5", max_size=200))
def test_parsing_tag_like_text_never_raises(text: str) -> None:
    for schema in TAG_SCHEMAS.values():
        parse_tags(text, schema)

# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""YAML 1.2's core schema: what is a text stays a text, and what is no value of a recipe is one sentence with its line."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.recipe.yaml12 import read_yaml
from schemas.errors import ConfigError


def read(text: str) -> Any:
    return read_yaml(text, lambda line: f"r.yaml:{line}")[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[yes, no, on, off, y, n]", ["yes", "no", "on", "off", "y", "n"]),
        ("[Yes, NO, true, False, TRUE, tRUE]", ["Yes", "NO", True, False, True, "tRUE"]),
        ("[null, ~, Null, NULL, nULL, '']", [None, None, None, None, "nULL", ""]),
        ("[0, -3, +7, 010, 0o17, 0x1F, 0b11]", [0, -3, 7, 10, 15, 31, "0b11"]),
        ("[1_000, 12:30, 1:2:3.5, 190:20:30]", ["1_000", "12:30", "1:2:3.5", "190:20:30"]),
        ("[1.5, .5, 1., 1e3, 1e-7, 2.5E+2, 1e, .e3]", [1.5, 0.5, 1.0, 1000.0, 1e-7, 250.0, "1e", ".e3"]),
        (
            "[.inf, -.INF, +.Inf, inf, infinity, nan]",
            [float("inf"), -float("inf"), float("inf"), "inf", "infinity", "nan"],
        ),
        ("[2026-01-02, 2026-01-02T03:04:05Z, 2026-13-45]", ["2026-01-02", "2026-01-02T03:04:05Z", "2026-13-45"]),
        ("['1', \"true\", '~']", ["1", "true", "~"]),
        ("on: 1\noff: 2\nyes: no", {"on": 1, "off": 2, "yes": "no"}),
        ("a: |\n  12\n", {"a": "12\n"}),
        ("a:\nb: # nothing", {"a": None, "b": None}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("", None),
    ],
)
def test_a_plain_scalar_is_what_it_looks_like(text: str, value: Any) -> None:
    held = read(text)
    assert held == value
    assert repr(held) == repr(value)  # 1 == True == 1.0


def test_not_a_number_is_one() -> None:
    (value,) = read("[.nan]")
    assert value != value  # noqa: PLR0124


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", "r.yaml:3: 'a' is given twice, first at r.yaml:1."),
        ("1: a\n0x1: b", "r.yaml:2: '0x1' is given twice, first at r.yaml:1."),
        ("a: 1\nb: !!int 4", "r.yaml:2: the tag !!int is not read; a recipe holds plain values only."),
        ("a: !!python/object/apply:os.system [ls]", "r.yaml:1: the tag !!python/object/apply:os.system is not read; a recipe holds plain values only."),
        ("a: !mine {b: 1}", "r.yaml:1: the tag !mine is not read; a recipe holds plain values only."),
        ("a: &x {b: 1}\nc:\n  <<: *x", "r.yaml:3: the merge key << is not read; write its keys out."),
        ("? [a, b]\n: 1", "r.yaml:1: a list cannot be a key."),
        ("a: " + "9" * 5000, f"r.yaml:1: '{'9' * 40}…' has too many digits; put it in quotes."),
        ("a: 1\nb: [1", "r.yaml:2: not valid YAML: expected ',' or ']', but got '<stream end>'."),
        ("a: 1\n---\nb: 2", "r.yaml:2: not valid YAML: a second document starts here (`---`)."),
        ("a: *x", "r.yaml:1: not valid YAML: found undefined alias 'x'."),
        ("a: 1\nb: \x01", "r.yaml:2: not valid YAML: it holds the character '\\x01'."),
        ("a: &x [*x]", "r.yaml:1: not valid YAML: it is nested too deeply, or an alias holds itself."),
        ("[" * 100_000, "r.yaml:1: not valid YAML: it is nested too deeply, or an alias holds itself."),
        ("prompt: {{ question }}", 'r.yaml:1: bare {{ question }} is a mapping to YAML; put the whole text in quotes: "{{ question }}".'),
        ("a: 1\nb:\n  - {model: m, prompt: {{ a.b | upper }}}", 'r.yaml:3: bare {{ a.b | upper }} is a mapping to YAML; put the whole text in quotes: "{{ a.b | upper }}".'),
        ("prompt: {{ a or \"b\" }}", "r.yaml:1: bare {{ a or \"b\" }} is a mapping to YAML; put the whole text in quotes: '{{ a or \"b\" }}'."),
        ("a: 1\nprompt: {{ a }} and {{ b }}", 'r.yaml:2: bare {{ a }} is a mapping to YAML; put the whole text in quotes: "{{ a }} …".'),
        ("prompt: {{ a }}\n  {{ b }}\nc: 1", 'r.yaml:2: bare {{ b }} is a mapping to YAML; put the whole text in quotes: "{{ b }} …".'),
        ("prompt: {% if a %}b{% endif %}", 'r.yaml:1: bare {% if a %} is a mapping to YAML; put the whole text in quotes: "{% if a %} …".'),
        ('a: "\\ud800 b"', "r.yaml:1: a text holds half of a pair of surrogates (\\ud800 to \\udfff)."),
        ("a: '{{ b }}' c", "r.yaml:1: not valid YAML: expected <block end>, but found '<scalar>'."),
    ],
)  # fmt: skip
def test_what_no_recipe_holds_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value) == sentence


def test_aliases_of_aliases_stand_for_a_bounded_number_of_values() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(
        ConfigError, match=r"r\.yaml:\d+: there are more than 100,000 keys and items once aliases are w"
    ):
        read("\n".join(levels))


def test_every_key_and_item_has_its_place() -> None:
    _, places = read_yaml("a:\n  - b: 1\n    c: [2,\n      3]\n", str)
    assert places == {
        ("a",): "1", ("a", 0): "2", ("a", 0, "b"): "2", ("a", 0, "c"): "3", ("a", 0, "c", 0): "3", ("a", 0, "c", 1): "4",
    }  # fmt: skip


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12))
def test_a_plain_scalar_is_never_a_date_or_another_object(text: str) -> None:
    try:
        held = read_yaml(f"[{text}]", str)[0]
    except ConfigError:
        return
    kinds = {type(value) for value in (held if isinstance(held, list) else [held])}
    assert kinds <= {str, int, float, bool, type(None), list, dict}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=("Cs", "Cc"))), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner, max_size=3), max_leaves=12))  # fmt: skip
def test_json_is_read_as_it_is(value: Any) -> None:
    assert read(json.dumps(value)) == value


def test_pyyaml_alone_would_read_them_otherwise() -> None:
    assert yaml.safe_load("[yes, 12:30, 010]") == [True, 750, 8]

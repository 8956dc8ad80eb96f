"""Templates of prompts: what they read, what they render, what they refuse, and the messages that they make."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ValidationError

from generators.rendering import LONGEST
from generators.template import NullField, PromptField, PromptFile, RenderError, Template, TooLong, asked, needed
from schemas.completion import ImagePart, Message

# --- what it refuses ------------------------------------------------------------------------------------------------

HOSTILE = [
    ("{{ 'a' * 10**9 }}", "arithmetic"),
    ("{{ x * 1000000 }}", "arithmetic"),
    ("{{ x + x }}", "arithmetic"),
    ("{{ '%s' % x }}", "arithmetic"),
    ("{{ x ~ x }}", "joined by ~"),
    ("{{ [].__class__ }}", "__class__"),
    ("{{ ''.__class__.__mro__ }}", "__mro__"),
    ("{{ x.__init__.__globals__ }}", "__globals__"),
    ("{{ x|attr('__class__') }}", "no filter `attr`"),
    ("{{ range(10**9) }}", "called"),
    ("{{ x.format(1) }}", "called"),
    ("{{ lipsum() }}", "called"),
    ("{{ x|random }}", "no filter `random`"),
    ("{{ x|format }}", "no filter `format`"),
    ("{{ x|center(1000000000) }}", "no filter `center`"),
    ("{{ x|indent(1000000000) }}", "no filter `indent`"),
    ("{{ x|replace('', y) }}", "no filter `replace`"),
    ("{{ x|uper }}", "Did you mean 'upper'?"),
    ("{{ x|join(y) }}", "what `join` puts between"),
    ("{{ x|default('a', true) }}", "too many arguments"),
    ("{{ self }}", "no `self`"),
    ("{{ cycler }}", "no `cycler`"),
    ("{{ loop.index }}", "outside a loop"),
    ("{% for a in x %}{{ loop.cycle('a') }}{% endfor %}", "called"),
    ("{% for a in x %}{{ loop.nextitem }}{% endfor %}", "loop.index"),
    ("{% for a in x recursive %}{{ loop(a) }}{% endfor %}", "one variable"),
    ("{% for a, b in x %}{% endfor %}", "one variable"),
    ("{% for a in [1, 2] %}{% endfor %}", "list of the row"),
    ("{% for a in x|join %}{% endfor %}", "list of the row"),
    ("{% include 'x' %}", "includes no other file"),
    ("{% import 'x' as y %}", "imports no other file"),
    ("{% from 'x' import y %}", "imports no other file"),
    ("{% extends 'x' %}", "extends no other file"),
    ("{% macro a() %}{% endmacro %}", "no macros"),
    ("{% set a = 1 %}", "no `set`"),
    ("{% block a %}{% endblock %}", "block"),
    ("{% call x() %}{% endcall %}", "callblock"),
    ("{% filter upper %}a{% endfilter %}", "filterblock"),
    ("{% with a = 1 %}{{ a }}{% endwith %}", "with"),
    ("{% autoescape true %}{% endautoescape %}", "scope"),
    ("{% trans %}a{% endtrans %}", "unknown tag 'trans'"),
    ("{{ x is sameas y }}", "no test `is sameas`"),
    ("{{ x[:3] }}", "not sliced"),
    ("{{ x[y] }}", "a number or a text"),
    ("{{ [1, 2] }}", "only after `in`"),
    ("{{ none }}", "`none` is not text"),
    ("one\ntwo {{ x", "line 2: unexpected end of template"),
    ("{% if x %}", "line 1: Unexpected end of template"),
    ("{{ " + "(" * 5000 + "x" + ")" * 5000 + " }}", "nested too deeply"),
    ("{{ " + "x or " * 100 + "x }}", "nested too deeply"),
    ("{% if x %}" * 40 + "{% endif %}" * 40, "nested too deeply"),
    ("{{ 1" + "0" * 5000 + " }}", "cannot be read"),
    ("a" * 1_000_001, "too long"),
]


@pytest.mark.parametrize(("source", "why"), HOSTILE, ids=[source[:40] for source, _ in HOSTILE])
def test_what_is_not_part_of_the_language_is_refused_in_a_sentence(source: str, why: str) -> None:
    with pytest.raises(ValueError) as refused:
        Template(source)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_loops_are_bounded_by_rounds_and_texts_by_their_length() -> None:
    nested = "{% for a in x %}" * 4 + "{% endfor %}" * 4
    with pytest.raises(TooLong, match="rounds") as given_up:
        Template(nested).render({"x": [""] * 1000})
    assert given_up.value.cause == "too_long"
    longer = {"x": "ä" * (LONGEST // 2)}
    assert Template("{{ x }}").render(longer) == longer["x"]
    with pytest.raises(TooLong, match="1,000,000 bytes"):
        Template("{{ x }}.").render(longer)
    with pytest.raises(TooLong):
        Template(f"{{{{ x|join('{'-' * 1000}') }}}}").render({"x": ["a"] * 2000})


# --- what it reads --------------------------------------------------------------------------------------------------

READS = [
    ("{{ question }}", {"question"}),
    ("{{ difficulty.k }} of {{ difficulty.n }}", {"difficulty.k", "difficulty.n"}),
    ("{{ parent.answer.raw }}", {"parent.answer.raw"}),
    ("{% for o in options %}{{ o }}{{ loop.index }}{{ seen }}{% endfor %}", {"options", "seen"}),
    ("{% for o in sample.objects %}{{ o.name }}{{ o['x'] }}{% endfor %}", {"sample.objects"}),
    ("{% for o in o %}{{ o }}{% endfor %}", {"o"}),
    ("{% for o in a %}{% for p in o.parts if p != q %}{{ p }}{% endfor %}{% endfor %}{{ o }}", {"a", "q", "o"}),
    ("{{ options[0] }}{{ answer['raw'].x }}", {"options", "answer"}),
    ("{% if a %}{% elif b is none %}{% else %}{{ c if d else e }}{% endif %}", {"a", "b", "c", "d", "e"}),
    ("{{ x|default(y)|trim }}{# {{ z }} #}{% raw %}{{ z }}{% endraw %}", {"x", "y"}),
    ("{{ 'a' in b and c > 3 or not d }}", {"b", "c", "d"}),
    ("no field at all: \\frac{a}{b}", set()),
]


@pytest.mark.parametrize(("source", "names"), READS)
def test_references_are_the_fields_of_the_row(source: str, names: set[str]) -> None:
    template = Template(source)
    assert {".".join(ref) for ref in template.references} == names
    assert pickle.loads(pickle.dumps(template)) == template


HANDLES = [
    ("{{ x }}", False),
    ("{{ x or '' }}", True),
    ("{{ '' or x }}", False),
    ("{{ x or y or '' }}", True),
    ("{{ x|default('') }}", True),
    ("{{ x|default }}", True),
    ("{{ x|trim|default('') }}", True),
    ("{{ x|trim or '' }}", True),
    ("{{ x|upper }}", False),
    ("{{ y|default(x) }}", False),
    ("{% if x %}{{ x }}{% endif %}", True),
    ("{% if x %}{{ x }}{% endif %}{{ x }}", False),
    ("{% if x %}{% else %}{{ x }}{% endif %}", False),
    ("{% if not x %}{% else %}{{ x }}{% endif %}", True),
    ("{% if x is none %}{% else %}{{ x }}{% endif %}", True),
    ("{% if x is none %}{% elif y %}{{ x }}{% endif %}", True),
    ("{% if x is not none %}{{ x }}{% endif %}", True),
    ("{% if x is defined %}{{ x }}{% endif %}", True),
    ("{% if x == none %}{% else %}{{ x }}{% endif %}", True),
    ("{% if none != x %}{{ x }}{% endif %}", True),
    ("{% if x and y %}{{ x }}{% endif %}", True),
    ("{% if x or y %}{{ x }}{% endif %}", False),
    ("{% if x and x > 3 %}{{ x }}{% endif %}", True),
    ("{% if x > 3 %}{{ x }}{% endif %}", False),
    ("{% if x is none or x > 3 %}{% endif %}", True),
    ("{{ x if x else '' }}", True),
    ("{{ x if y else '' }}", False),
    ("{% if x %}{% for o in x %}{{ o }}{% endfor %}{% endif %}", True),
    ("{% for o in x %}{{ o }}{% endfor %}", False),
    ("{{ x[0] or '' }}", True),
    ("{% if x[0] %}{{ x[0] }}{% endif %}", True),
    ("{% if x %}{{ x[0] }}{% endif %}", True),
    ("{% if x %}{{ x.y }}{% endif %}", True),  # `x.y` is another reference
    ("nothing", True),
]


@pytest.mark.parametrize(("source", "handled"), HANDLES)
def test_null_is_handled_or_fails_the_row(source: str, handled: bool) -> None:
    template = Template(source)
    assert template.handles(("x",)) == handled
    values = dict.fromkeys(map(".".join, template.references))
    outcomes = []
    for y in (None, "", "y"):
        try:
            template.render(values | {k: y for k in ("y", "x.y") if k in values})
            outcomes.append(True)
        except NullField as null:
            outcomes.append(null.name.partition("[")[0] != "x")
    assert all(outcomes) == handled


def test_a_null_says_which_field_and_what_to_write() -> None:
    with pytest.raises(NullField, match=r"'difficulty.k' is null.*\{\{ difficulty.k or '' \}\}") as null:
        Template("{{ difficulty.k }}").render({"difficulty.k": None})
    assert (null.value.name, null.value.cause) == ("difficulty.k", "null_field")
    for source, name in (("{% for o in x %}{{ o }}{% endfor %}", "o"), ("{{ x|join }}", "x[1]"), ("{{ x[1] }}", "x[1]"),
                         ("{{ x[7] }}", "x[7]"), ("{{ x|last }}", "x|last")):  # fmt: skip
        with pytest.raises(NullField) as null:
            Template(source).render({"x": ["a", None]})
        assert null.value.name == name


@pytest.mark.parametrize(
    ("source", "x", "why"),
    [
        ("{% for o in x %}{% endfor %}", "abc", "'x' is a text, and a loop needs a list"),
        ("{% if x > 3 %}{% endif %}", "abc", "a text is not compared with a number"),
        ("{% if x in 3 %}{% endif %}", "abc", "a text is not compared with a number"),
        ("{{ x|join }}", 3, "'x' is a number"),
        ("{{ x['nme'] }}", {"name": 1}, "no field 'nme'. Did you mean 'name'?"),
        ("{{ x['name'] }}", "abc", "a text has no part 'name'"),
        ("{{ x }}", b"abc", "has no text"),
    ],
)
def test_a_value_of_another_kind_fails_its_row(source: str, x: Any, why: str) -> None:
    with pytest.raises(RenderError) as failed:
        Template(source).render({"x": x})
    assert why in str(failed.value)


# --- what it renders ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a <b>", "a <b>"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (3.0, "3"),
        (0.1 + 0.2, "0.3"),
        (1e30, "1e+30"),
        (["a", "b, c"], "a\nb, c"),
        ([], ""),
        ([1, 2.5, 3.0], "[1, 2.5, 3]"),
        ({"label": "é", "xyxy": [0.0, 1.5], "seen": None}, '{"label": "é", "xyxy": [0, 1.5], "seen": null}'),
        ([{"a": 1}], '[{"a": 1}]'),
    ],
)
def test_values_look_as_one_would_write_them(value: Any, text: str) -> None:
    assert Template("{{ x }}").render({"x": value}) == text


def test_options_show_with_their_letters_and_are_a_list() -> None:
    row = {"options": ["red", "blue"]}
    assert Template("{{ options }}").render(row) == "A) red B) blue"
    each = "{% for o in options %}\n{{ loop.index }}/{{ loop.length }}: {{ o }}\n{% else %}\nnone\n{% endfor %}\n"
    assert Template(each).render(row) == "1/2: red\n2/2: blue\n"
    assert Template(each).render({"options": []}) == "none\n"
    assert Template("{{ options|join(' or ') }}, {{ options|length }}").render(row) == "red or blue, 2"
    assert Template("{{ 'red' in options }}").render(row) == "true"
    assert Template("{% if options[-1] in ['blue', 'green'] %}yes{% endif %}").render(row) == "yes"


_names = st.sampled_from(["a", "b", "c"])
_text = st.text(alphabet="xyz <\n&", max_size=4)


_some = st.text(alphabet="xyz <\n&", min_size=1, max_size=4)  # Jinja's first of nothing is nothing, ours is null


def _texts(fields: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    value = st.one_of(fields, _text.map(repr), st.integers(-3, 3).map(str))
    condition = st.one_of(
        fields,
        st.tuples(fields, st.sampled_from(["==", "!=", "in", "not in"]), fields).map(" ".join),
        fields.map(lambda f: f"not {f}"),
        st.tuples(fields, st.sampled_from(["and", "or"]), fields).map(" ".join),
    )
    shown = st.one_of(
        value,
        st.tuples(fields, st.sampled_from(["upper", "lower", "trim", "length", "first", "default('x')"])).map("|".join),
        st.tuples(value, condition, value).map(lambda t: f"{t[0]} if {t[1]} else {t[2]}"),
        st.tuples(fields, value).map(" or ".join),
        st.tuples(fields, value).map(" and ".join),
    )
    leaf = st.one_of(_text, shown.map(lambda s: f"{{{{ {s} }}}}"))

    def wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(condition, inner, condition, inner, inner).map(
                lambda t: f"{{% if {t[0]} %}}{t[1]}{{% elif {t[2]} %}}\n{t[3]}{{% else %}}{t[4]}{{% endif %}}\n"
            ),
            inner.map(lambda t: f"{{% for o in items %}}{{{{ loop.index }}}}{{{{ o }}}}{t}{{% else %}}-{{% endfor %}}"),
            inner.map(lambda t: f"{{% for a in items if a != b %}}{t}{{{{ loop.last }}}}{{% endfor %}}"),
        )

    return st.recursive(leaf, wrapped, max_leaves=6)


def _by_jinja(value: Any) -> Any:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


JINJA = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, finalize=_by_jinja
)


@given(_texts(_names), st.fixed_dictionaries(dict.fromkeys("abc", st.text("xyz ", min_size=1, max_size=3))),
       st.lists(_some, max_size=3))  # fmt: skip
def test_it_renders_what_jinja_renders_from_its_references_alone(
    source: str, row: dict[str, str], items: list[str]
) -> None:
    template = Template(source)
    values = row | {"items": items}
    read = {name: values[name] for (name,) in template.references}
    assert template.render(read) == JINJA.from_string(source).render(values)


@given(_texts(_names), st.fixed_dictionaries(dict.fromkeys("abc", st.one_of(st.none(), st.just("x")))))
def test_what_it_says_to_handle_it_handles(source: str, row: dict[str, str | None]) -> None:
    template = Template(source)
    given_row = {name: value or "y" if not template.handles((name,)) else value for name, value in row.items()}
    assert isinstance(template.render(given_row | {"items": ["a", "b"]}), str)


# --- what is asked --------------------------------------------------------------------------------------------------

TWO = [{"kind": "image", "sha256": letter * 64, "position": at} for letter, at in (("a", 3), ("b", 7))]
ROW = {"question": "Is  or  red?", "options": None, "media": TWO}
A, B = ImagePart("a" * 64), ImagePart("b" * 64)


@pytest.mark.parametrize(
    ("source", "content"),
    [
        ("{{ question }}", ("Is ", A, " or ", B, " red?")),
        ("Q: {{ question }}!", ("Q: Is ", A, " or ", B, " red?!")),
        ("{{ question }} Again: {{ question }}", ("Is ", A, " or ", B, " red? Again: Is  or  red?")),
        ("{% if question %}- {{ question }}{% endif %}", ("- Is ", A, " or ", B, " red?")),
        ("{{ question|upper }}", (A, B, "IS  OR  RED?")),
        ("Look.", (A, B, "Look.")),
    ],
)
def test_images_stand_where_the_question_has_them(source: str, content: tuple[str | ImagePart, ...]) -> None:
    assert asked(ROW, Template(source), None, True) == (Message("user", content),)


def test_one_who_sees_none_reads_where_images_stood() -> None:
    (turn,) = asked({**ROW, "caption": "red, blue"}, Template("{{ caption }}\n{{ question }}"), None, False)
    assert turn.content == ("red, blue\nIs [image] or [image] red?",)
    assert asked(ROW, Template("Look."), None, False)[0].content == ("Look.",)


def test_positions_of_another_question_are_not_used() -> None:
    assert asked({**ROW, "question": "Why?"}, Template("{{ question }} Because…"), None, True)[0].content == (
        A, B, "Why? Because…")  # fmt: skip
    assert asked({**ROW, "question": "Why?"}, Template("{{ question }}"), None, False)[0].content == ("Why?",)


def test_options_follow_the_question_unless_a_template_names_them() -> None:
    row: dict[str, Any] = {"question": "Which?", "options": ["red", "blue"], "media": None}

    def text(source: str, system: str | None = None) -> Any:
        return asked(row, Template(source), Template(system) if system else None, True)[-1].content

    assert text("{{ question }} Think.") == ("Which?\nA) red B) blue Think.",)
    assert text("{{ question }} From {{ options|join(', ') }}.") == ("Which? From red, blue.",)
    assert text("{{ question }}", system="There are {{ options|length }}.") == ("Which?",)
    assert text("Think.") == ("Think.",)
    with pytest.raises(RenderError, match="more than 26"):
        asked({**row, "options": ["x"] * 27}, Template("{{ question }}"), None, True)
    with pytest.raises(NullField, match="question"):
        asked({**row, "question": None}, Template("{{ question }}"), None, True)


def test_a_system_turn_is_a_template_too() -> None:
    row = {"question": "Why?", "options": None, "media": None, "style": "brief"}
    system = Template("Be {{ style }}.")
    assert asked(row, Template("{{ question }}"), system, True) == (
        Message("system", ("Be brief.",)),
        Message("user", ("Why?",)),
    )
    assert needed(Template("{{ question }}"), system, False) == {("question",), ("style",), ("options",), ("media",)}
    assert needed(Template("Look."), None, True) == {("media",)}
    assert needed(Template("Look."), None, False) == frozenset()


# --- in a recipe ----------------------------------------------------------------------------------------------------


class Config(BaseModel):
    prompt: PromptField


@pytest.mark.parametrize("prompt", ["Look.", "{{ question }}", "Put it in \\boxed{answer}.", "\\frac{a}{b}, x^{n}",
                                    'As {"a": 1}', "{% raw %}{answer}{% endraw %}", "{{ question }} as {name}"])  # fmt: skip
def test_a_prompt_of_a_recipe_is_a_text(prompt: str) -> None:
    assert Config.model_validate({"prompt": prompt}).prompt == prompt


def test_a_prompt_of_a_recipe_may_be_a_file() -> None:
    assert Config.model_validate({"prompt": {"file": "a.j2"}}).prompt == PromptFile(file="a.j2")


REFUSED: list[tuple[Any, str]] = [
    ("Q: {question}", r"written \{\{ question \}\}, not \{question\}"),
    ("{caption}\n{question}", r"written \{\{ caption \}\}"),
    ("{{ question", "line 1"),
    ({"file": ""}, "file"),
    ({"path": "a.j2"}, "path"),
]


@pytest.mark.parametrize(("prompt", "why"), REFUSED)
def test_a_prompt_that_is_none_is_refused(prompt: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Config.model_validate({"prompt": prompt})

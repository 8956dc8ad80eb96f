"""Templates of somebody else, which take all memory, never end, or fail in ways that Jinja has no error for."""

import pytest

from pipelines.release.card_text import CardError, apart, names_of, outcome, recall, render

NAMES = {"name": "tiny", "statistics": {"rows": 1_000}}


def test_a_template_gives_the_same_text_in_a_process_of_its_own() -> None:
    text = "{{ name }}: {{ statistics.rows | thousands }}, äöü\n\n"
    assert apart("render", text, NAMES) == render(text, NAMES) == "tiny: 1,000, äöü\n"
    assert apart("names", text, {}) == names_of(text) == ["name", "statistics"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ 'a' * 10 ** 10 }}", "it needs more than"),
        (
            "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "more than",
        ),
        ("{{ '%4999999d' | format(1) }}", "its text has 4,999,999 characters"),
        ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "calls itself"),
        ("{% if 1 %}" * 2_000 + "{% endif %}" * 2_000, "nested too deeply"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ name.nothing.more }}", "has no attribute"),
        ("{{ ''.__class__ }}", "unsafe"),
    ],
)
def test_what_a_template_does_ends_in_a_sentence(text: str, why: str) -> None:
    with pytest.raises(CardError, match=why):
        apart("render", text, NAMES)


def test_a_constant_is_not_computed_where_names_are_looked_for() -> None:
    with pytest.raises(CardError, match="it needs more than"):
        apart("names", "{{ 9 ** (9 ** 9) }}", {})


@pytest.mark.slow
def test_a_loop_without_end_is_ended() -> None:
    loops = "".join(f"{{% for {name} in range(99999) %}}" for name in "abc") + "{% endfor %}" * 3
    with pytest.raises(CardError, match="it needs more than 2 seconds"):
        apart("render", loops, NAMES)


def test_a_search_that_misses_some_says_how_many() -> None:
    notes = {"recall": 9912, "recall_low": 9870, "recall_high": 9950}
    assert recall(notes) == ["recall of near duplicates 0.9912 [0.9870, 0.9950]"]
    assert (
        outcome({"type": "dedup", "dropped": {"dedup:near": 3}, "notes": notes}) == f"3 dedup:near, {recall(notes)[0]}"
    )
    assert recall({}) == []

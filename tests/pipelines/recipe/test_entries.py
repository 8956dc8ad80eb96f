# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""The entries of `steps`: a type each, names of their own, and one sentence for each other shape."""

from collections.abc import Callable

import pytest

from pipelines.recipe.document import Document

Load = Callable[..., Document]
Refusal = Callable[..., str]


def test_an_entry_is_a_type_with_or_without_a_section(load: Load) -> None:
    steps = load("- quality\n- verify: null\n- verify: {as: again, of: quality}\n- rollout: {as: rollout}\n").steps
    assert [(s.type, s.name, s.section) for s in steps] == [
        ("quality", "quality", {}),
        ("verify", "verify", {}),
        ("verify", "again", {"as": "again", "of": "quality"}),
        ("rollout", "rollout", {"as": "rollout"}),
    ]


def test_an_entry_says_where_its_keys_are(load: Load) -> None:
    (step,) = load("- ask:\n    as: seen\n    reply: {choice: [a, b]}\n").steps
    assert step.place.endswith("r.yaml:5")
    assert {where: place.rpartition(":")[2] for where, place in step.places.items()} == {
        ("as",): "6", ("reply",): "7", ("reply", "choice"): "7", ("reply", "choice", 0): "7", ("reply", "choice", 1): "7",
    }  # fmt: skip


def test_on_is_a_key_and_no_is_a_text(load: Load) -> None:
    (step,) = load("- ask: {on: [yes, no]}\n").steps
    assert step.section == {"on": ["yes", "no"]}


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ("- caption:\n  model: vlm", "r.yaml:5: a step has one key, its type; this one has 2: caption, model. Indent what belongs to 'caption' below it."),
        ("- {type: caption, model: vlm}", "r.yaml:5: a step has one key, its type; this one has 2: type, model. Write `- caption: {…}`."),
        ("- verify\n- 3", "r.yaml:6: a step is its type, alone or with a section: `- type: {key: value}`."),
        ("- null", "r.yaml:5: a step is its type, alone or with a section: `- type: {key: value}`."),
        ("- [verify]", "r.yaml:5: a step is its type, alone or with a section: `- type: {key: value}`."),
        ("- {}", "r.yaml:5: a step is its type, alone or with a section: `- type: {key: value}`."),
        ("- true: {}", "r.yaml:5: True is not a step type."),
        ("- verify: rollout", "r.yaml:5: 'verify': write its section as a mapping, {key: value} (given: 'rollout')."),
        ("- verify: [a]", "r.yaml:5: 'verify': write its section as a mapping, {key: value} (given: ['a'])."),
        ("- verify\n- quality\n- verify", "r.yaml:7: two steps are named 'verify', the first at r.yaml:5; add `as: …` to one."),
        ("- verify: {as: a}\n- quality: {as: a}", "r.yaml:6: two steps are named 'a', the first at r.yaml:5; add `as: …` to one."),
        ("- verify: {as: Right}", "r.yaml:5: 'Right' is no name of a step: lower-case letters, digits and _, a letter first, at most 64."),
        ("- verify\n" * 301, "r.yaml:4: a recipe has at most 300 steps; this one has 301."),
        ("- verify: {as: a-b}", "r.yaml:5: 'a-b' is no name of a step: lower-case letters, digits and _, a letter first, at most 64."),
        ("- verify: {as: 1a}", "r.yaml:5: '1a' is no name of a step: lower-case letters, digits and _, a letter first, at most 64."),
        ("- verify: {as: 7}", "r.yaml:5: 7 is no name of a step: lower-case letters, digits and _, a letter first, at most 64."),
        ("- verify: {as: ''}", "r.yaml:5: '' is no name of a step: lower-case letters, digits and _, a letter first, at most 64."),
        (f"- verify: {{as: {'a' * 65}}}", f"r.yaml:5: '{'a' * 65}' is no name of a step: lower-case letters, digits and _, a letter first, at most 64."),
        ("- verify:\n    as: parent", "r.yaml:6: a step cannot be named 'parent': that name is reserved. Choose another `as`."),
        ("- verify: {as: sample}", "r.yaml:5: a step cannot be named 'sample': that name is reserved. Choose another `as`."),
        ("- verify: {as: ingest}", "r.yaml:5: a step cannot be named 'ingest': that name is reserved. Choose another `as`."),
        ("- verify: {as: rows}", "r.yaml:5: a step cannot be named 'rows': that name is reserved. Choose another `as`."),
        ("- verify: {as: trace}", "r.yaml:5: a step cannot be named 'trace': that name is a unit. Choose another `as`."),
        ("- ask: {as: rollout}", "r.yaml:5: a step cannot be named 'rollout': that name is a unit. Choose another `as`."),
        ("- ingest", "r.yaml:5: a step cannot be named 'ingest': that name is reserved. Choose another `as`."),
    ],
)  # fmt: skip
def test_another_shape_is_one_sentence(refusal: Refusal, steps: str, sentence: str) -> None:
    assert refusal(steps) == sentence


@pytest.mark.parametrize(
    "steps", ["steps: {caption: {model: vlm}}", "steps: caption", "steps: []", "steps: null", "steps:"]
)
def test_steps_are_a_list(refusal: Refusal, steps: str) -> None:
    told = refusal(f"name: tiny\n{steps}", whole=True)
    assert told == "r.yaml:2: 'steps': write a list of steps, each as `- type: {key: value}`."


def test_all_entries_of_another_shape_are_reported(refusal: Refusal) -> None:
    assert [line.partition(" ")[0] for line in refusal("- 3\n- verify\n- verify: {as: B}\n- []").split("\n")] == [
        "r.yaml:5:", "r.yaml:7:", "r.yaml:8:",
    ]  # fmt: skip

# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""A document and the text that it is written as are the same recipe."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.job import compile_recipe
from pipelines.recipe.document import Document, load_document
from pipelines.recipe.dump import dump_document

Load = Callable[..., Document]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "yes",
        "no",
        "on",
        "1e3",
        "1e5",
        ".5",
        "0o17",
        "010",
        "1_000",
        "12:30",
        "2026-01-02",
        "~",
        "",
        "null",
        "{{ a }}",
        "<<",
        "=",
        "a: b",
        "- a",
        " a ",
        "a\n\nb\n",
        "\ttab",
        "🙂",
        "\u2028",
        "\x85",
        "#",
        "9" * 5000,
    ]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
keys = st.from_regex(r"[a-z][a-z_]{0,6}", fullmatch=True).filter(
    lambda key: key not in {"as", "card"}
) | st.sampled_from(["on", "no", "1e3"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
names = st.from_regex(r"[a-z][a-z0-9_]{3,9}_", fullmatch=True)


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    steps: list[Any] = []
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        section = draw(st.dictionaries(keys, values, max_size=4))
        type_ = draw(names)
        steps.append({type_: {"as": name, **section}})
    head = {
        "name": draw(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,9}", fullmatch=True)),
        "about": {"paper": draw(texts), "differs": draw(st.lists(texts, max_size=2)), "note": draw(texts)},
        "description": draw(texts),
        "seed": draw(st.integers()),
        "models": {draw(names): {"model": "m", "args": draw(st.dictionaries(keys, values, max_size=2))}},
        "sources": [
            {"type": "scenes", "name": "drawn", "levels": [1, 2]},
            {"type": "jsonl", "name": "b", "path": draw(texts)},
        ],
    }
    return {**head, "steps": steps}


def same(one: Document, other: Document) -> bool:
    heads = [document.model_dump(exclude={"steps"}, exclude_unset=True) for document in (one, other)]
    return heads[0] == heads[1] and one.steps == other.steps


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(recipe=recipes())
def test_what_is_dumped_loads_as_the_same_document(tmp_path: Path, recipe: dict[str, Any]) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.dump(recipe, Dumper=_json_like, allow_unicode=False), encoding="utf-8")
    document = load_document(str(path))
    assert [dict(step.section) for step in document.steps] == [next(iter(step.values())) for step in recipe["steps"]]
    again = tmp_path / "again.yaml"
    again.write_text(dump_document(document), encoding="utf-8")
    assert same(load_document(str(again)), document)
    assert dump_document(load_document(str(again))) == dump_document(document)


class _json_like(yaml.SafeDumper):  # noqa: N801
    """Every text in quotes, so that nothing depends on how plain ones are read."""


_json_like.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent / "examples").glob("*.yaml")), ids=lambda path: path.stem
)
def test_published_recipes_come_back(load: Load, tmp_path: Path, path: Path) -> None:
    document = load("sources: [{type: scenes, name: a}]\n" + path.read_text(encoding="utf-8"), whole=True)
    (tmp_path / "again.yaml").write_text(dump_document(document), encoding="utf-8")
    assert same(load_document(str(tmp_path / "again.yaml")), document)


def test_files_and_what_is_extended_are_written_out(load: Load, tmp_path: Path) -> None:
    (tmp_path / "p.j2").write_text("Look.\n\nAt {{ question }}\n")
    (tmp_path / "base.yaml").write_text(
        "name: base\nuses: [my.py]\nsources: [{type: scenes, name: a}]\nsteps: [{ask: {prompt: {file: p.j2}}}, quality]\n"
    )
    document = load("name: m\nextends: base.yaml\nremove: [quality]\n", whole=True, trust=True, limit=3)
    assert dump_document(document) == (
        "name: m\nlimit: 3\nsources:\n- name: a\n  type: scenes\nuses:\n- my.py\nsteps:\n- ask:\n    prompt: |\n      Look.\n\n"
        "      At {{ question }}\n"
    )


def test_a_demo_is_not_written_out_under_the_name_of_its_recipe(tmp_path: Path) -> None:
    """Its rows would become a version of the recipe."""
    (tmp_path / "r.yaml").write_text(dump_document(compile_recipe("quickstart", demo=True).document))
    assert load_document(str(tmp_path / "r.yaml")).name == "quickstart-demo"

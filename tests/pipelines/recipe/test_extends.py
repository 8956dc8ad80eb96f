# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""`extends`: one level, steps inserted, removed and set by name, places that point into the file that says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.recipe.document import Document, load_document

Load = Callable[..., Document]
Refusal = Callable[..., str]

BASE = """\
name: base
about: {paper: one}
description: The base.
seed: 3
models:
  vlm: {model: reference-vlm}
  llm: {model: small}
sources: [{type: scenes, name: drawn}]
steps:
  - caption: {model: vlm, prompt: {file: caption.j2}}
  - distill: {model: llm, n: 2}
  - verify
  - release: {sft: {of: trace}}
"""


@pytest.fixture(autouse=True)
def base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "caption.j2").write_text("Describe {{ question }}.")


def names(document: Document) -> list[str]:
    return [step.name for step in document.steps]


def test_what_is_not_changed_is_the_base_s(load: Load, tmp_path: Path) -> None:
    document = load("name: mine\nextends: base.yaml\n", whole=True)
    base = load_document(str(tmp_path / "base.yaml"))
    assert document.steps == base.steps
    assert (document.name, document.about, document.seed, document.models) == ("mine", base.about, 3, base.models)
    assert document.files == base.files
    assert document.places[("steps", "distill", "n")].endswith("base.yaml:11")


def test_the_head_replaces_the_base_s_and_models_one_by_one(load: Load) -> None:
    document = load(
        "name: mine\nextends: base.yaml\nseed: 4\nabout: {variant: small}\nmodels: {llm: {model: other}}\n"
        "sources: [{type: easy_vqa, limit: 3}]\n",
        whole=True,
    )
    assert {name: model.model for name, model in document.models.items()} == {"vlm": "reference-vlm", "llm": "other"}
    assert (document.seed, document.about.paper, document.about.variant) == (4, None, "small")
    assert [source.name for source in document.sources] == ["easy-vqa"]
    assert document.description == "The base."
    assert document.places[("models", "llm", "model")].endswith("r.yaml:5")
    assert document.places[("models", "vlm", "model")].endswith("base.yaml:6")


def test_steps_are_set_removed_and_inserted(load: Load) -> None:
    text = """\
name: mine
extends: base.yaml
set:
  steps.distill.n: 8
  steps.distill.sampling: {temperature: 0.6}
  steps.gate.model: llm
  sources.drawn.levels: [1]
remove: [caption]
insert:
  - after: verify
    steps:
      - judge: {as: gate, model: vlm}
      - drop: {of: trace, if: {bad: "gate = 'no'"}}
  - {before: distill, steps: [{caption: {model: llm}}]}
"""
    document = load(text, whole=True)
    assert names(document) == ["caption", "distill", "verify", "gate", "drop", "release"]
    assert [step.section for step in document.steps[:4]] == [
        {"model": "llm"}, {"model": "llm", "n": 8, "sampling": {"temperature": 0.6}}, {}, {"as": "gate", "model": "llm"},
    ]  # fmt: skip
    assert document.sources[0].levels == (1,)  # type: ignore[union-attr]
    places = {key: document.places[("steps", *key)].rpartition("/")[2] for key in (
        ("distill", "n"), ("distill", "model"), ("distill", "sampling", "temperature"), ("gate",), ("gate", "as"), ("caption",),
    )}  # fmt: skip
    assert list(places.values()) == ["r.yaml:4", "base.yaml:11", "r.yaml:5", "r.yaml:12", "r.yaml:12", "r.yaml:14"]


def test_a_single_insertion_needs_no_list(load: Load) -> None:
    document = load("name: m\nextends: base.yaml\ninsert: {before: caption, steps: [quality]}\n", whole=True)
    assert names(document)[:2] == ["quality", "caption"]
    assert document.steps[0].place.endswith("r.yaml:3")


def test_a_step_is_replaced_where_it_was(load: Load) -> None:
    text = "name: m\nextends: base.yaml\nremove: [distill]\ninsert: {after: distill, steps: [{ask: {as: distill}}]}\n"
    document = load(text, whole=True)
    assert [(step.type, step.name) for step in document.steps[:3]] == [
        ("caption", "caption"), ("ask", "distill"), ("verify", "verify"),
    ]  # fmt: skip


def test_files_of_both_are_read_from_their_own_folders(load: Load, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.yaml").write_text(BASE)
    (tmp_path / "sub" / "caption.j2").write_text("Of sub.")
    (tmp_path / "system.j2").write_text("Mine.")
    text = "name: m\nextends: sub/base.yaml\nset: {steps.caption.system: {file: system.j2}}\n"
    document = load(text, whole=True)
    assert document.steps[0].section == {"model": "vlm", "prompt": "Of sub.", "system": "Mine."}
    assert set(document.files) == {tmp_path / "sub" / "caption.j2", tmp_path / "system.j2"}


def test_options_of_the_command_line_come_last(load: Load) -> None:
    text = "name: m\nextends: base.yaml\nset: {steps.distill.n: 8}\n"
    assert load(text, "steps.distill.n=9", whole=True).steps[1].section["n"] == 9


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("extends: base.yaml", "r.yaml: 'name' is missing."),
        ("name: m\nset: {seed: 1}\nsteps: [verify]", "r.yaml:2: 'set' changes what a recipe extends; add `extends: NAME`."),
        ("name: m\nextends: base.yaml\nsteps:\n- verify", "r.yaml:4: a recipe that extends another has no `steps`; it changes those of the other with set, remove and insert."),
        ("name: m\nextends: twice.yaml", "r.yaml:2: 'twice.yaml' extends 'base.yaml' itself; extend that one, for a recipe is read from two files at most."),
        ("name: m\nextends: r.yaml", "r.yaml:2: extends: 'r.yaml' is this recipe; name another."),
        ("name: m\nextends: nobase.yaml", "r.yaml:2: extends: there is no file 'nobase.yaml' in the recipe's folder."),
        ("name: m\nextends: ../base.yaml", "r.yaml:2: extends: '../base.yaml' lies outside the recipe's folder."),
        ("name: m\nextends: [base.yaml]", "r.yaml:2: 'extends': input should be a valid string (given: ['base.yaml'])."),
        ("name: m\nextends: base.yaml\nremove: [captoin]", "r.yaml:3: 'remove.0': there is no step named 'captoin'. Did you mean 'caption'?"),
        ("name: m\nextends: base.yaml\nremove: [verify, verify]", "r.yaml:3: 'verify' is removed twice."),
        ("name: m\nextends: base.yaml\nremove: verify", "r.yaml:3: 'remove': write it as a list, [one, two] (given: 'verify')."),
        ("name: m\nextends: base.yaml\ninsert: {after: verfy, steps: [quality]}", "r.yaml:3: 'insert.0.after': there is no step named 'verfy'. Did you mean 'verify'?"),
        ("name: m\nextends: base.yaml\ninsert:\n  steps: [quality]", "r.yaml:3: 'insert.0': name one step, that the new ones come `after` or `before` (given: {'steps': ['quality']})."),
        ("name: m\nextends: base.yaml\ninsert: {after: verify, steps: []}", "r.yaml:3: 'insert.0.steps': needs at least 1 item (given: [])."),
        ("name: m\nextends: base.yaml\ninsert: {aftr: verify, steps: [quality]}", "r.yaml:3: unknown key 'insert.0.aftr'. Did you mean 'after'?"),
        ("name: m\nextends: base.yaml\ninsert:\n- {after: verify, steps: [quality, 3]}", "r.yaml:4: a step is its type, alone or with a section: `- type: {key: value}`."),
        ("name: m\nextends: base.yaml\ninsert: {after: verify, steps: [verify]}", "r.yaml:3: two steps are named 'verify', the first at base.yaml:12; add `as: …` to one."),
        ("name: m\nextends: base.yaml\nset:\n  steps.distil.n: 4", "r.yaml:4: there is no step named 'distil'. Did you mean 'distill'?"),
        ("name: m\nextends: base.yaml\nset: {models.vlmm.model: x}", "r.yaml:3: there is no model named 'vlmm'. Did you mean 'vlm'?"),
        ("name: m\nextends: base.yaml\nset: {seed: x}", "r.yaml:3: 'seed': input should be a valid integer (given: 'x')."),
        ("name: m\nextends: old.yaml", "old.yaml:2: `steps:` is missing; 'caption' at the top of a recipe is of the old spelling: make each section a step of the list `steps:`, in the order in which they see each other (docs/recipes.md)."),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_made_is_one_sentence(
    refusal: Refusal, tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "twice.yaml").write_text("name: twice\nextends: base.yaml\n")
    (tmp_path / "old.yaml").write_text("name: old\ncaption: {model: vlm}\n")
    assert refusal(text, whole=True) == sentence


def test_an_unknown_shipped_recipe_names_what_there_is(refusal: Refusal) -> None:
    told = refusal("name: m\nextends: quickstrat", whole=True)
    assert told.startswith(
        "r.yaml:2: extends: There is no recipe 'quickstrat'. Did you mean 'quickstart'? `curate recipes` "
    )

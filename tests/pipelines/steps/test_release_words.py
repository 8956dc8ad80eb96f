"""How prompts of a release are put, and which of them in other words than the student was asked in."""

from pathlib import Path
from typing import Any

import pytest

from generators.prompts import turns
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.job import compile_recipe
from pipelines.steps.release_plan import Planned, plan
from pipelines.steps.release_rows import Prompter
from pipelines.steps.release_words import all_asking, asking, other_words

RECIPE = """\
name: words
models: {{vlm: {{model: reference-vlm}}}}
sources: [{{type: jsonl, name: rows, path: rows.jsonl}}]
steps:
  - rollout: {{model: vlm, {asked}}}
  - verify: {{as: scored, of: rollout}}
  - difficulty
  - release: {{rl: {{of: sample, {put}}}}}
"""
IMAGE = {"kind": "image", "sha256": "0" * 64, "position": None}
ROW = {"id": "a", "question": "Which?", "options": ["red", "blue"], "media": [IMAGE]}
USER = {"role": "user", "content": "Which?\nA) red B) blue"}
SYSTEM = {"role": "system", "content": "Think."}
Q = {**USER, "content": "Q: Which?\nA) red B) blue"}
ASKED = 'system: Think., prompt: "Q: {{ question }}"'


def planned(folder: Path, asked: str, put: str) -> tuple[Planned, Step]:
    """The config of a release, and the step that asked for the rollouts which its rows count."""
    (folder / "r.yaml").write_text(RECIPE.format(asked=asked, put=put))
    pipeline = compile_recipe(str(folder / "r.yaml")).pipeline
    release = pipeline.step("release")
    before = pipeline.before(release)
    [one] = plan(release.config, Before(pipeline.names, before))
    found = asking(pipeline.step("difficulty"), before)
    assert found is not None
    return one, found


@pytest.mark.parametrize(
    ("asked", "put", "wanted", "others"),
    [
        ("", "", [USER], ()),
        (ASKED, "", [SYSTEM, Q], ()),
        (ASKED, "system: Think.", [SYSTEM, Q], ()),
        (ASKED, 'prompt: "Q: {{ question }}"', [SYSTEM, Q], ()),
        (ASKED, 'system: ""', [Q], ("system",)),
        (ASKED, 'prompt: "{{ question }} {x}"', [SYSTEM, {**USER, "content": USER["content"] + " {x}"}], ("prompt",)),
        ("", "system: Think.", [SYSTEM, USER], ("system",)),
        (ASKED, 'system: "", prompt: "{{ question }}"', [USER], ("prompt", "system")),
        ("sees: nothing", 'system: ""', [USER], ("prompt",)),
    ],
)
def test_a_prompt_is_put_as_it_was_asked_but_for_what_the_section_says(
    tmp_path: Path, asked: str, put: str, wanted: list[Any], others: tuple[str, ...]
) -> None:
    one, step = planned(tmp_path, asked, put)
    assert turns(Prompter(one)({"id": "a"} | {f"prompt:{name}": value for name, value in ROW.items()})) == wanted
    assert other_words(one, step) == others


def test_rollouts_that_two_steps_asked_for_in_different_words_are_put_otherwise_in_part(tmp_path: Path) -> None:
    asked = "as: brief}}\n  - rollout: {{as: long, model: vlm, system: Think."
    (tmp_path / "r.yaml").write_text(RECIPE.replace("{asked}", asked).format(put=""))
    pipeline = compile_recipe(str(tmp_path / "r.yaml")).pipeline
    before = pipeline.before(pipeline.step("release"))
    [one] = plan(pipeline.step("release").config, Before(pipeline.names, before))
    askers = all_asking(pipeline.step("difficulty"), before)
    assert [other_words(one, step) for step in askers] == [(), ("system",)]

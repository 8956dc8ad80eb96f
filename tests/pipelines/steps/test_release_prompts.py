"""Replies and pairs go out under the prompt that they answer, also where several steps asked in words of their own."""

from pathlib import Path
from typing import Any

import pytest

from generators.prompts import turns
from pipelines.compiler.compile import Before
from pipelines.job import compile_recipe
from pipelines.steps.release_plan import Planned, plan
from pipelines.steps.release_rows import Prompter

RECIPE = """\
name: prompts
models: {vlm: {model: reference-vlm}}
sources: [{type: jsonl, name: rows, path: rows.jsonl}]
steps:
  - distill: {as: boxed, model: vlm, where: kind = 'number', n: 2, prompt: "{{ question }} Box it."}
  - distill: {as: brief, model: vlm, where: kind <> 'number', system: Be brief., prompt: "{{ question }}"}
  - distill: {as: blind, of: brief, model: vlm, sees: nothing, prompt: "Guess: {{ question }}"}
  - caption: {model: vlm, prompt: Describe it.}
  - distill: {as: read, model: vlm, sees: nothing, prompt: "{{ caption }} {{ question }}"}
  - pair: {as: by_length, of: boxed, chosen: "tokens < 9", rejected: "tokens > 8"}
  - pair: {as: by_image, of: [brief, blind], chosen: "made_by = 'brief'", rejected: "made_by = 'blind'"}
  - release: {tags: plain, traces: {of: trace, PUT}, pairs: {of: pair, PUT}, lone: {of: boxed, PUT}}
"""
BOXED, BRIEF, BARE = ["Which? Box it."], ["Be brief.", "Which?"], ["Which?"]


def configs(folder: Path, put: str = "", recipe: str = RECIPE) -> dict[str, Planned]:
    (folder / "r.yaml").write_text(recipe.replace(", PUT", f", {put}" if put else ""))
    pipeline = compile_recipe(str(folder / "r.yaml")).pipeline
    release = pipeline.step("release")
    return {one.name: one for one in plan(release.config, Before(pipeline.names, pipeline.before(release)))}


def said(planned: Planned, made_by: str) -> list[str]:
    """The texts of a row's turns: its rendered prompt."""
    shown: dict[str, Any] = {"question": "Which?", "options": [], "media": []}
    names = [name for name in planned.beside.reads if name.startswith("prompt")]
    row = {"id": "a", "made_by": made_by} | {name: shown.get(name.partition(":")[2]) for name in names}
    return [str(turn["content"]) for turn in turns(Prompter(planned)(row))]


@pytest.mark.parametrize(
    ("config", "made_by", "wanted"),
    [
        ("lone", "boxed", BOXED),
        ("traces", "boxed", BOXED),
        ("traces", "brief", BRIEF),
        ("traces", "blind", BARE),
        ("traces", "read", BARE),
        ("pairs", "by_length", BOXED),
        ("pairs", "by_image", BRIEF),
    ],
)
def test_a_row_is_put_as_it_was_asked(tmp_path: Path, config: str, made_by: str, wanted: list[str]) -> None:
    assert said(configs(tmp_path)[config], made_by) == wanted


def test_what_the_section_says_takes_the_place_of_that_turn_of_every_row(tmp_path: Path) -> None:
    found = configs(tmp_path, 'prompt: "Q: {{ question }}"')
    assert said(found["traces"], "boxed") == said(found["pairs"], "by_length") == ["Q: Which?"]
    assert said(found["traces"], "brief") == said(found["pairs"], "by_image") == ["Be brief.", "Q: Which?"]


@pytest.mark.parametrize(("release", "wanted"), [("", "staged"), ("tags: think_answer, ", "think_answer")])
def test_completions_are_written_in_the_tags_that_the_release_names(tmp_path: Path, release: str, wanted: str) -> None:
    asked = RECIPE.replace("tags: plain, ", release).replace("as: boxed,", "as: boxed, reply: {tags: staged},")
    assert configs(tmp_path, recipe=asked)["lone"].tags == wanted

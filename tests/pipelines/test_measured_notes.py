"""Notes of a recipe whose rows may go out otherwise than they were measured."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from pipelines.faults import check_steps, notes
from pipelines.job import compile_recipe

RECIPE = """\
name: measured
models:
  vlm: {model: reference-vlm}
sources:
  - {type: jsonl, name: rows, path: rows.jsonl}
steps:
  - rollout: {model: vlm, n: 4, system: Think., prompt: "{{ question }} Answer."}
  - verify: {as: scored, of: rollout}
  - difficulty
  - select: {rule: variance}
  - release: {trainer: null, rl: {of: sample}, other: {of: sample}}
"""
TAGGED = "Answer in <answer></answer>."
BOXED = "'{{ question }} Put it in \\boxed{answer}.'"


def noted(folder: Path, *overrides: str, text: str = RECIPE) -> list[str]:
    (folder / "r.yaml").write_text(text)
    recipe = compile_recipe(str(folder / "r.yaml"), overrides)
    check_steps(recipe)
    return notes(recipe)


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        ((), []),
        (("rl.system=Think.",), []),
        (("rl.prompt='{{ question }} Answer.'",), []),
        (("rl.system=''",), ["rl.system"]),
        (("rl.prompt='{{ question }}'",), ["rl.prompt"]),
        (("rl.system=Guess.", "rl.prompt='{{ question }} Now.'"), ["rl.system", "rl.prompt"]),
        (("rl.system=Guess.", "other.system=''"), ["rl.system", "other.system"]),
    ],
)
def test_a_prompt_that_was_not_asked_is_noted(tmp_path: Path, overrides: tuple[str, ...], keys: list[str]) -> None:
    found = noted(tmp_path, *(f"steps.release.{override}" for override in overrides))
    assert sorted(re.search(r"r.yaml:\d+: release: (\S+): ", note)[1] for note in found) == sorted(keys)  # type: ignore[index]
    assert all(re.search(r"differ from 'rollout\.(system|prompt)', under which difficulty was", note) for note in found)


def test_words_of_rows_that_nobody_measured_are_nobodys_business(tmp_path: Path) -> None:
    head = RECIPE.partition("  - rollout")[0]
    head = head.replace("models:\n  vlm: {model: reference-vlm}\n", "")
    assert noted(tmp_path, text=head + "  - release: {trainer: null, rl: {of: sample, system: Guess.}}\n") == []


def test_a_prompt_with_examples_is_another_without_them(tmp_path: Path) -> None:
    shots = "steps.rollout.shots=[{question: 'One and one?', reply: '2'}]"
    assert noted(tmp_path, shots) == []
    [note] = noted(tmp_path, shots, "steps.release.rl.prompt='{{ question }} Answer.'")
    assert "rl.prompt: the released prompts differ" in note


def test_a_verdict_that_the_reward_has_no_time_for_is_noted(tmp_path: Path) -> None:
    [note] = noted(tmp_path, "driver.verify_seconds=5")
    assert "driver.verify_seconds: the reward of a release has 2 s for an answer" in note
    assert noted(tmp_path, "driver.verify_seconds=1.5") == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["rollout.tags=plain", "scored.tags=plain"], None),
        (["rollout.tags=think_answer"], "r.yaml:7: rollout: 'think_answer' looks for the answer after <answer>, and"),
        (["rollout.tags=think_answer", "scored.tags=think_answer"], "r.yaml:7: rollout: 'think_answer' looks for"),
        (["scored.tags=think_answer"], "r.yaml:8: scored: 'think_answer' looks for the answer after <answer>, and nei"),
        (["scored.tags=think_answer", f"rollout.system='{TAGGED}'"], None),
        (["rollout.tags=plain_boxed"], "after \\boxed, and neither `system` nor `prompt` asks for it"),
        (["rollout.tags=plain_boxed", f"rollout.prompt={BOXED}"], None),
        (["rollout.tags=think_answer", "rollout.shots=[{question: '1 + 1?', reply: '<answer>2</answer>'}]"], None),
    ],
)
def test_a_schema_that_nothing_asks_for_is_noted(tmp_path: Path, overrides: list[str], sentence: str | None) -> None:
    found = noted(tmp_path, *(f"steps.{override}" for override in overrides))
    assert [note for note in found if sentence is None or sentence not in note] == []
    assert len(found) == (sentence is not None)


def test_replies_that_are_held_to_a_schema_need_not_be_asked_for_it(tmp_path: Path) -> None:
    """A teacher whose decoding is held to sections writes their marks."""
    steps = """\
  - distill: {model: vlm, reply: {tags: think_answer}}
  - verify: {tags: think_answer}
  - release: {trainer: null, sft: {of: trace}}
"""
    head = RECIPE.partition("  - rollout")[0]
    assert noted(tmp_path, text=head + steps) == []
    [note] = noted(tmp_path, "steps.distill.constrain=false", text=head + steps)
    assert "r.yaml:8: verify: 'think_answer' looks for the answer after <answer>, and neither `system` nor" in note


def test_validate_prints_the_note_and_is_content(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "Six times seven?", "answer": "42"}))
    text = RECIPE.replace("rows.jsonl", str(tmp_path / "rows.jsonl")).replace("rl: {", "rl: {system: Guess., ")
    (tmp_path / "r.yaml").write_text(text)
    shown = CliRunner().invoke(app, ["validate", str(tmp_path / "r.yaml"), "-w", str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    words = " ".join(shown.output.split())
    assert "release: rl.system: the released prompts differ from 'rollout.system'" in words
    assert "is valid: 7 steps." in words

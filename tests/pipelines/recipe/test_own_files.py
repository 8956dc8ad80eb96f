# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""Files that a recipe names: read from its own folder, bounded, hashed."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.recipe.document import Document

Load = Callable[..., Document]
Refusal = Callable[..., str]


def test_the_text_of_a_file_takes_its_place(load: Load, tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "p.j2").write_bytes(b"\xef\xbb\xbfLook at {{ question }}\n")
    (tmp_path / "s.txt").write_text("Be brief.")
    text = "- ask: {prompt: {file: prompts/p.j2}, system: {file: s.txt}, prefix: So}\n- release: {rl: {prompt: {file: s.txt}}}"
    document = load(text)
    assert document.steps[0].section == {"prompt": "Look at {{ question }}\n", "system": "Be brief.", "prefix": "So"}
    assert document.steps[1].section == {"rl": {"prompt": "Be brief."}}
    assert document.files == {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "prompts" / "p.j2", tmp_path / "s.txt")
    }


def test_other_keys_and_other_mappings_stay(load: Load) -> None:
    (step,) = load("- ask: {reply: {file: x.j2}, prompt: {file: x.j2, more: 1}}").steps
    assert step.section == {"reply": {"file": "x.j2"}, "prompt": {"file": "x.j2", "more": 1}}


def test_a_template_of_a_model_and_a_card_are_found_from_the_folder(load: Load, tmp_path: Path) -> None:
    text = (
        "name: t\nmodels: {m: {model: a, args: {chat_template: chat.jinja}}, n: {model: b, args: {chat_template: '{{ x }}'}}}\n"
        "sources: [{type: scenes, name: s}]\nsteps:\n- release: {card: card.md}\n- quality: {note: card}\n"
    )
    document = load(text, whole=True)
    assert document.models["m"].args == {"chat_template": str(tmp_path / "chat.jinja")}
    assert document.models["n"].args == {"chat_template": "{{ x }}"}
    assert [step.section for step in document.steps] == [{"card": str(tmp_path / "card.md")}, {"note": "card"}]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no.j2", "r.yaml:5: prompt.file: 'no.j2' cannot be read: no such file or directory."),
        (".", "r.yaml:5: prompt.file: '.' cannot be read: is a directory."),
        ("../x.j2", "r.yaml:5: prompt.file: '../x.j2' lies outside the recipe's folder, and a release or a model would be given what it holds. Copy the file beside the recipe."),
        ("/etc/hostname", "r.yaml:5: prompt.file: '/etc/hostname' lies outside the recipe's folder, and a release or a model would be given what it holds. Copy the file beside the recipe."),
        ("link.j2", "r.yaml:5: prompt.file: 'link.j2' lies outside the recipe's folder, and a release or a model would be given what it holds. Copy the file beside the recipe."),
        ("large.j2", "r.yaml:5: prompt.file: 'large.j2' is larger than 1 MB."),
        ("latin.j2", "r.yaml:5: prompt.file: 'latin.j2' is not UTF-8 (at byte 3)."),
        ("'a\\0b'", "r.yaml:5: prompt.file: 'a\\0b' cannot be read: no such file or directory."),
        ('"a\\0b"', "r.yaml:5: prompt.file: 'a\0b' is no path of a file."),
        ("pipe", "r.yaml:5: prompt.file: 'pipe' is no regular file, and whoever opens it may wait for ever."),
        ("3", "r.yaml:5: prompt.file: write the name of a file (given: 3)."),
        ("''", "r.yaml:5: prompt.file: write the name of a file (given: '')."),
    ],
)  # fmt: skip
def test_a_file_that_may_not_be_read_is_one_sentence(
    refusal: Refusal, tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / "link.j2").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large.j2").write_bytes(b"a" * (2**20 + 1))
    (tmp_path / "latin.j2").write_bytes(b"caf\xe9")
    assert refusal(f"- ask: {{prompt: {{file: {name}}}}}") == sentence


@pytest.mark.parametrize(
    "change",
    ["set: {steps.out.card: ../x}", "set: {steps.out: {card: ../x}}", "set: {models.m.args.chat_template: ../x}",
     "set: {models.m.args: {chat_template: ../x}}", "insert: {after: out, steps: [{release: {card: ../x}}]}"],
)  # fmt: skip
def test_a_change_of_a_base_names_no_file_elsewhere(refusal: Refusal, tmp_path: Path, change: str) -> None:
    base = "name: b\nmodels: {m: {model: a}}\nsources: [{type: scenes, name: s}]\nsteps: [{release: {as: out}}]\n"
    (tmp_path / "base.yaml").write_text(base)
    assert "'../x' lies outside the recipe's folder" in refusal(f"name: t\nextends: base.yaml\n{change}", whole=True)


def test_a_file_of_one_megabyte_is_read(load: Load, tmp_path: Path) -> None:
    (tmp_path / "p.j2").write_bytes(b"a" * 2**20)
    assert len(load("- ask: {prompt: {file: p.j2}}").steps[0].section["prompt"]) == 2**20

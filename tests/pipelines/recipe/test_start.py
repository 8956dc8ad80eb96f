"""A recipe started from another, with the files that it names."""

import json
from pathlib import Path

import pytest

from pipelines.recipe.document import load_document
from pipelines.recipe.start import start_from
from schemas.errors import ConfigError, StoreError

RECIPE = """name: base   # a comment stays
models: {m: {model: smollm2-135m-instruct}}
sources: [{type: jsonl, name: rows, path: rows.jsonl}]
steps:
  - ask: {model: m, prompt: {file: prompts/ask.j2}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "ask.j2").write_text("{{ question }}")
    (tmp_path / "base.yaml").write_text(RECIPE)
    return tmp_path / "base.yaml"


def test_prompts_in_files_come_along(recipe: Path, tmp_path: Path) -> None:
    path = start_from(str(recipe), "mine", tmp_path / "other")
    text = path.read_text()
    assert text.startswith("name: mine") and "# a comment stays" in text and text.endswith(RECIPE.split("\n", 1)[1])
    assert (tmp_path / "other" / "prompts" / "ask.j2").read_text() == "{{ question }}"


def test_a_start_beside_its_recipe_shares_the_files(recipe: Path, tmp_path: Path) -> None:
    assert start_from(str(recipe), "mine", tmp_path).is_file()
    with pytest.raises(ConfigError, match="is there already"):
        start_from(str(recipe), "mine", tmp_path)


def test_a_recipe_cannot_have_files_of_elsewhere_copied(recipe: Path, tmp_path: Path) -> None:
    (tmp_path.parent / "secret.j2").write_text("secret")
    recipe.write_text(RECIPE.replace("prompts/ask.j2", "../secret.j2"))
    with pytest.raises(ConfigError, match="outside"):
        start_from(str(recipe), "mine", tmp_path / "other")
    assert not (tmp_path / "secret.j2").exists()


@pytest.mark.parametrize(
    "file",
    [
        "link/../../.profile",
        "../stranger/ask.j2",
        "link/../../ask.j2",
        ".envrc",
        "prompts/../.envrc",
        ".git/hooks/a",
        "\0",
    ],
)
def test_no_file_is_copied_outside_of_the_new_folder_or_hidden_in_it(tmp_path: Path, file: str) -> None:
    theirs, mine = tmp_path / "stranger", tmp_path / "home" / "work"
    for folder in ("prompts", "deep/deeper/deepest", ".git/hooks"):
        (theirs / folder).mkdir(parents=True)
    for name in ("ask.j2", ".envrc", ".git/hooks/a", "deep/.profile", "deep/ask.j2"):
        (theirs / name).write_text("planted")
    (theirs / "link").symlink_to("deep/deeper/deepest")
    mine.mkdir(parents=True)
    (theirs / "base.yaml").write_text(RECIPE.replace("prompts/ask.j2", json.dumps(file)))
    with pytest.raises(ConfigError, match=r"base\.yaml"):
        start_from(str(theirs / "base.yaml"), "mine", mine)
    assert not [path for path in (tmp_path / "home").rglob("*") if path != mine]


@pytest.mark.parametrize(("text", "sentence"), [("", "holds nothing"), ("name: old\ncaption: {}", "'caption' at")])
def test_what_is_no_recipe_of_steps_starts_nothing(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "old.yaml").write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        start_from(str(tmp_path / "old.yaml"), "mine", tmp_path)
    assert not (tmp_path / "mine.yaml").exists()


def test_what_is_there_already_is_left_alone(recipe: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "prompts"
    other.mkdir(parents=True)
    (other / "ask.j2").write_text("mine")
    with pytest.raises(ConfigError, match=r"ask.j2 is there already"):
        start_from(str(recipe), "mine", tmp_path / "other")
    assert (other / "ask.j2").read_text() == "mine"


def test_a_start_is_the_same_recipe_under_another_name(tmp_path: Path) -> None:
    path = start_from("quickstart", "mine", tmp_path)
    assert "# Real images" in path.read_text()
    mine, theirs = load_document(str(path)), load_document("quickstart")
    assert mine.name == "mine"
    assert mine.to_json() == {**theirs.to_json(), "name": "mine"}
    with pytest.raises(ConfigError, match="is there already"):
        start_from("quickstart", "mine", tmp_path)
    with pytest.raises(ConfigError, match="is named 'quickstart' already, and both would share their builds"):
        start_from("quickstart", "quickstart", tmp_path)
    with pytest.raises(ConfigError, match="cannot name a recipe"):
        start_from("quickstart", "My Recipe", tmp_path)


def test_a_start_makes_its_folder_or_says_why_not(tmp_path: Path) -> None:
    assert start_from("quickstart", "mine", tmp_path / "not" / "there").is_file()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="a file is where a folder is needed"):
        start_from("quickstart", "mine", tmp_path / "file")

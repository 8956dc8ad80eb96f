"""A recipe started from another, with the files that it names."""

import json
from pathlib import Path

import pytest

from pipelines.job import compile_recipe
from pipelines.recipe.demo import read_sidecar
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
    assert text == RECIPE.replace("base", "mine", 1)
    assert load_document(str(path)).name == "mine"
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


@pytest.mark.parametrize(
    "name",
    [
        "name: base # a comment",
        '"name": base',
        "name : base",
        "name:\n  base",
        "name: >-\n  base",
        "name: 'base'\r\n",
        'description: "two\nname: lines"\nname: base',
    ],
)
def test_the_name_is_another_however_it_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "base.yaml").write_bytes(f"{name}\n{RECIPE.split(chr(10), 1)[1]}".encode())
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "ask.j2").write_text("{{ question }}")
    path = start_from(str(tmp_path / "base.yaml"), "mine", tmp_path)
    one, other = (load_document(str(file)) for file in (path, tmp_path / "base.yaml"))
    assert (one.name, other.name, one.steps) == ("mine", "base", other.steps)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("", "'name' is missing"), ("name: &n base\nlimit: *n\n", ":1: write the name as `name: mine`")],
)
def test_a_name_that_cannot_be_another_starts_nothing(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "base.yaml").write_text(name + RECIPE.split("\n", 1)[1])
    with pytest.raises(ConfigError, match=sentence):
        start_from(str(tmp_path / "base.yaml"), "mine", tmp_path)
    assert not (tmp_path / "mine.yaml").exists()


def test_what_it_extends_its_card_and_its_demo_come_along(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "upper.yaml").write_text("name: upper\nextends: base.yaml\nset: {steps.release.card: c.jinja}\n")
    recipe.write_text(RECIPE + "  - release: {rl: {of: sample}}\n")
    (tmp_path / "c.jinja").write_text("A card")
    (tmp_path / "base.demo.yaml").write_text("sources: {rows: {n: 3}}\n")
    (tmp_path / "upper.demo.yaml").write_text("extends: base.yaml\n")
    path = start_from(str(tmp_path / "upper.yaml"), "mine", tmp_path / "other")
    found = {file.name for file in path.parent.rglob("*") if file.is_file()}
    assert found == {"mine.yaml", "base.yaml", "ask.j2", "c.jinja", "base.demo.yaml", "mine.demo.yaml"}
    assert [step.name for step in load_document(str(path)).steps] == ["ask", "release"]
    assert read_sidecar(path).demo.sources["rows"].n == 3


def test_a_recipe_that_comes_with_curate_brings_its_demo(tmp_path: Path) -> None:
    path = start_from("mm_eureka_v1", "mine", tmp_path)
    assert compile_recipe(str(path), demo=True).document.name == "mine.demo"


@pytest.mark.parametrize("folder", ["", "other"])
def test_no_file_of_the_recipe_is_written_over(recipe: Path, tmp_path: Path, folder: str) -> None:
    recipe.write_text(RECIPE.replace("prompts/ask.j2", "mine.yaml"))
    (tmp_path / "mine.yaml").write_text("{{ question }}")
    with pytest.raises(ConfigError, match="is there already"):
        start_from(str(recipe), "mine", tmp_path / folder)
    assert (tmp_path / "mine.yaml").read_text() == "{{ question }}"

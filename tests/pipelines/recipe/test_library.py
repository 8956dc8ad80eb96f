# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""Recipes by name, from families of folders."""

from pathlib import Path

import pytest

from pipelines.recipe.library import RECIPES, families, find_recipe, recipe_names
from schemas.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("quickstart", "modality_bridging/vlaa_thinking", "modality_bridging/vision_r1", "rl/vision_r1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text("name: x")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("quickstart", "quickstart.yaml"),
        ("vlaa_thinking", "modality_bridging/vlaa_thinking.yaml"),
        ("modality_bridging/vlaa_thinking", "modality_bridging/vlaa_thinking.yaml"),
        ("rl/vision_r1", "rl/vision_r1.yaml"),
        ("vlaa-thinking", "modality_bridging/vlaa_thinking.yaml"),
        ("rl/vision-r1", "rl/vision_r1.yaml"),
    ],
)
def test_a_recipe_is_found_by_its_name_in_any_family(folder: Path, name: str, file: str) -> None:
    assert find_recipe(name, folder) == folder / file


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("vision_r1", "There are 2 recipes 'vision_r1'; name its family too: modality_bridging/vision_r1 or rl/vision_r1."),
        ("vlaa_thinkin", "There is no recipe 'vlaa_thinkin'. Did you mean 'vlaa_thinking'? `curate recipes` lists those that come with curate; one of your own is named by its path."),
        ("no/such.yaml", "There is no recipe file 'no/such.yaml'."),
    ],
)  # fmt: skip
def test_a_name_that_stands_for_no_recipe_is_one_sentence(folder: Path, name: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_recipe(name, folder)
    assert str(caught.value) == sentence


def test_files_by_family_those_beside_all_families_under_no_name(folder: Path) -> None:
    found = {family: [path.stem for path in paths] for family, paths in families(folder).items()}
    assert found == {"": ["quickstart"], "modality_bridging": ["vision_r1", "vlaa_thinking"], "rl": ["vision_r1"]}


def test_a_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").write_text("name: x")
    assert find_recipe("quickstart") == Path("quickstart")


def test_the_quickstart_comes_with_curate() -> None:
    assert recipe_names()["quickstart"] == RECIPES / "quickstart.yaml"

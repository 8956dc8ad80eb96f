"""The wheel: five top-level packages that are ours alone, and the weights of the reference model."""

import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"schemas", "generators", "filters", "pipelines", "flows"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    code = f"import os; os.chdir({str(ROOT)!r}); import hatchling.build as b; b.build_wheel({str(out)!r})"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_holds_the_five_packages_and_the_card_template_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {t for t in tops if not t.endswith(".dist-info")} == PACKAGES | {"data_cards"}


def test_the_wheel_carries_recipes_weights_and_template(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert "pipelines/recipes/quickstart.yaml" in names
    recipes = ROOT / "pipelines" / "recipes"
    assert {file.relative_to(ROOT).as_posix() for file in recipes.rglob("*") if file.is_file()} <= set(names)
    assert "data_cards/card.md.jinja" in names
    assert {f"pipelines/report/assets/page.{kind}" for kind in ("html", "css", "js")} <= set(names)
    assert "generators/reference/weights/model.safetensors" in names


@pytest.mark.parametrize("package", sorted(PACKAGES | {"data_cards"}))
def test_nobody_else_ships_our_names(package: str) -> None:
    """Two wheels that share a top-level package install over each other without a word."""
    owners = set(packages_distributions().get(package, ["curate-multimodal"]))
    assert owners == {"curate-multimodal"}

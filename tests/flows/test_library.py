"""The commands about recipes that come with curate."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from pipelines.explain import overview
from pipelines.job import Compiled, compile_recipe

RUN = CliRunner()


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_recipes_are_listed_by_family_within_80_columns() -> None:
    found = RUN.invoke(app, ["recipes"])
    assert found.exit_code == 0, found.output
    assert "question_synthesis/" in found.output and "wethink" in found.output and "2506.07905" in found.output
    assert max(map(len, found.output.splitlines())) <= 80


def test_of_one_family_nothing_else_is_compiled_and_of_a_wrong_one_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []

    def compiling(name: str) -> Compiled:
        compiled.append(Path(name).parent.name)
        return compile_recipe(name)

    monkeypatch.setattr(overview, "compile_recipe", compiling)
    found = json.loads(RUN.invoke(app, ["recipes", "--family", "critique", "--json"]).output)
    assert {one["family"] for one in found} == {"critique"}
    assert compiled == ["critique"] * len(found)
    wrong = RUN.invoke(app, ["recipes", "--family", "critiques"])
    assert wrong.exit_code == 2 and "Did you mean 'critique'?" in wrong.output
    assert len(compiled) == len(found)


def test_one_is_explained() -> None:
    shown = RUN.invoke(app, ["recipes", "wethink"])
    assert shown.exit_code == 0, shown.output
    for text in ("question_synthesis/wethink", "third: OpenGVLab/InternVL3-78B, sees images", "55 at most"):
        assert text in shown.output
    found = json.loads(RUN.invoke(app, ["recipes", "wethink", "--json"]).output)
    assert found["needs"]["reasoner"]["sees_images"] is False and found["about"]["differs"]


def test_of_ones_own_recipe_the_commands_that_are_shown_work(tmp_path: Path) -> None:
    RUN.invoke(app, ["init", "mine", "--from", "wethink", "--out", str(tmp_path / "of us")])
    path = tmp_path / "of us" / "mine.yaml"
    shown = RUN.invoke(app, ["recipes", str(path)]).output
    assert f"`curate show '{path}'`".replace(" ", "") in "".join(shown.split())  # however its lines are wrapped
    same = RUN.invoke(app, ["diff-recipes", "wethink", str(path)]).output
    assert "".join(same.splitlines()) == f"wethink and {path} differ in name only."


def test_two_are_compared() -> None:
    found = RUN.invoke(app, ["diff-recipes", "openvlthinker_1", "openvlthinker_2"])
    assert found.exit_code == 0, found.output
    lines = found.output.splitlines()
    assert "  + release.sft.limit: 5000" in lines
    assert any(line.startswith("  - caption: ") for line in lines)
    same = RUN.invoke(app, ["diff-recipes", "wethink", "wethink"])
    assert same.output.strip() == "wethink and wethink are the same."


def test_one_of_ones_own_is_started(tmp_path: Path) -> None:
    made = RUN.invoke(app, ["init", "mine", "--from", "wethink", "--out", str(tmp_path)])
    assert made.exit_code == 0, made.output
    assert "name: mine" in (tmp_path / "mine.yaml").read_text()
    again = RUN.invoke(app, ["init", "mine", "--from", "wethink", "--out", str(tmp_path)])
    assert again.exit_code == 2 and "is there already" in again.output
    wrong = RUN.invoke(app, ["init", "Mine Own", "--from", "wethink", "--out", str(tmp_path)])
    assert wrong.exit_code == 2 and "cannot name a recipe" in wrong.output

"""A recipe's sidecar: read to the last key, with the line of every mistake."""

from pathlib import Path

import pytest

from pipelines.recipe.demo import read_sidecar
from pipelines.recipe.library import recipe_names
from schemas.errors import ConfigError


def write(folder: Path, text: str, name: str = "mine") -> Path:
    (folder / f"{name}.yaml").touch()
    (folder / f"{name}.demo.yaml").write_text(text)
    return folder / f"{name}.yaml"


def test_what_is_not_given_has_its_default(tmp_path: Path) -> None:
    demo = read_sidecar(write(tmp_path, "sources: {charts: {task: text}}\n")).demo
    assert (demo.seed, demo.tokens, demo.expect.drops, demo.sources["charts"].n) == (0, {}, (), 12)


def test_it_is_no_recipe(tmp_path: Path) -> None:
    write(tmp_path, "seed: 1\n")
    assert list(recipe_names(tmp_path)) == ["mine"]


def test_a_recipe_without_one_has_no_demo(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine.yaml: this recipe has no demo; write mine.demo.yaml beside it"):
        read_sidecar(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed: 1\ntoken: {a: 3}\n", ":2: unknown key 'token'. Did you mean 'tokens'?"),
        ("sources:\n  a: {task: riddle}\n", ":2: 'sources.a.task' has no choice 'riddle'. "),
        ("tokens:\n  distill: 0\n", ":2: 'tokens.distill': "),
        ("expect:\n  holds:\n    - {name: x}\n", ":3: 'expect.holds.0.sql' is missing"),
        ("expect: {holds: [{name: x, sql: SELEC}]}\n", ":1: 'expect.holds.0.sql': it does not work: Parser Error"),
        ("expect: {holds: [{name: x, sql: SELECT false; SELECT true}]}\n",
         ":1: 'expect.holds.0.sql': a claim is one SELECT, and this is SELECT and SELECT"),
        ("expect: {holds: [{name: x, sql: COPY samples TO 'x.csv'}]}\n", ":1: 'expect.holds.0.sql': a claim is one SELECT"),
        ("expect: {holds: [{name: x, sql: SELECT query('x')}]}\n", ":1: 'expect.holds.0.sql': a claim only reads, and"),
        ("extends: ../mine.yaml\n", ":1: extends: '../mine.yaml' lies outside the recipe's folder."),
        ("extends: /etc/mine.yaml\n", ":1: extends: '/etc/mine.yaml' lies outside the recipe's folder."),
        ("sources:\n  a: {raw: DROP TABLE task}\n", ":2: 'sources.a.raw': "),
        ("sources:\n  a: {n: 3, steps: 2}\n", ":2: unknown key 'sources.a.steps'."),
        ("extends: nowhere\n", ":1: extends: There is no recipe 'nowhere'."),
    ],
)  # fmt: skip
def test_every_mistake_has_its_line(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read_sidecar(write(tmp_path, text))
    assert str(error.value).startswith(f"{tmp_path / 'mine.demo.yaml'}{sentence}")


def test_it_may_start_from_that_of_another(tmp_path: Path) -> None:
    write(tmp_path, "seed: 3\ntokens: {a: 5}\nexpect: {rows: {sft: 1}}\n", "base")
    own = write(tmp_path, "extends: base.yaml\nexpect: {drops: [gate]}\n")
    demo = read_sidecar(own).demo
    assert (demo.seed, demo.tokens, demo.expect.drops, demo.expect.rows) == (3, {"a": 5}, ("gate",), {})
    write(tmp_path, "extends: mine.yaml\n", "third")
    with pytest.raises(ConfigError, match=r"third.demo.yaml:1: extends: the demo of 'mine.yaml' extends 'base.yaml'"):
        read_sidecar(tmp_path / "third.yaml")
    (tmp_path / "bare.yaml").touch()
    with pytest.raises(ConfigError, match=r"extends: 'bare.yaml' has no demo"):
        read_sidecar(write(tmp_path, "extends: bare.yaml\n"))

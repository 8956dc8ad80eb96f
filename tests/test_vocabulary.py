"""Every package uses the words of docs/style.md, in the names of things and in docstrings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "generators", "filters", "pipelines", "flows")
RETIRED = re.compile(
    r"\b(told|said|stands?(?! for\b)|stood|parted|bears?|twins?|pictures?|roads?|stages?|data sets?)\b", re.IGNORECASE
)
"""What "stands for" something else is English, and allowed."""

ALLOWED = {
    "filters/select/rules/vl_cogito.py": "the paper's own stages of training, and the key that chooses one",
}


def words(file: Path) -> Iterator[tuple[int, str]]:
    """The names that a file gives to things, as words, and its docstrings, each with its line."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.arg):
            names.append(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
        yield from ((node.lineno, re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name)) for name in names)  # type: ignore[attr-defined]


FILES = [str(path.relative_to(ROOT)) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize("file", [file for file in FILES if file not in ALLOWED])
def test_no_retired_word(file: str) -> None:
    found = [(line, match[0]) for line, text in words(ROOT / file) for match in RETIRED.finditer(text)]
    assert found == [], f"{file} uses words that docs/style.md retires"


@pytest.mark.parametrize("file", ALLOWED)
def test_what_is_allowed_is_needed(file: str) -> None:
    assert any(RETIRED.search(text) for _, text in words(ROOT / file)), f"{file} needs no exception any more"


def test_what_is_looked_for_is_found(tmp_path: Path) -> None:
    source = '"""Twins are told apart."""\n\n\ndef part_road(theStage: int) -> None:\n    parted_rows = 1\n'
    (tmp_path / "a.py").write_text(source)
    found = [match[0] for _, text in words(tmp_path / "a.py") for match in RETIRED.finditer(text)]
    assert sorted(found, key=str.lower) == ["parted", "road", "Stage", "told", "Twins"]

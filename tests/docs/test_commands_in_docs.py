"""The commands that the documentation names are there, with the options that it gives them."""

import re
import shlex
from collections.abc import Iterator

import pytest
from doc_blocks import ROOT
from typer.main import get_command

from flows.cli import app

PAGES = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))


def commands(page: str) -> Iterator[list[str]]:
    """The words behind `curate` wherever a page writes it as code."""
    text = (ROOT / page).read_text()
    prose, fenced = text.split("```")[::2], text.split("```")[1::2]
    spans = [span for part in prose for span in re.findall(r"`curate ([^`]+)`", part)]
    spans += [line for part in fenced for line in re.findall(r"^curate (.+?)(?:\s{2,}.*| #.*)?$", part, re.MULTILINE)]
    yield from map(shlex.split, spans)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_commands_and_options_that_there_are(page: str) -> None:
    known = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
    }
    for name, *words in commands(page):
        assert name in known or name == "--help", f"{page}: curate {name}"
        for option in (word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)):
            assert option in known[name] | {"--help"}, f"{page}: curate {name} {option}"


def test_the_page_of_recipes_names_those_that_are_about_them() -> None:
    named = {name for name, *_ in commands("docs/recipes.md")}
    assert {"recipes", "diff-recipes", "init", "build", "show", "validate"} <= named

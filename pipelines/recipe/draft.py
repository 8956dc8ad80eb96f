"""A recipe file as it is written: its head, its entries with their places, nothing resolved and nothing typed yet."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.recipe.entries import StepDraft, drafted_steps
from pipelines.recipe.mistakes import Places
from pipelines.recipe.own_files import own_file, read_text, with_own_files
from pipelines.recipe.yaml12 import read_yaml
from pipelines.store.workspace import RECIPE_NAME
from schemas.errors import ConfigError

CHANGES = ("set", "remove", "insert")
"""The keys by which a recipe says how it differs from the one that it extends."""

OLD_SECTIONS = {
    *("caption", "distill", "verify", "judge", "rewrite", "quality", "traces", "rollouts", "difficulty", "checks"),
    *("check_rules", "dedup", "decontaminate", "signals", "split", "select", "preference", "release"),
}
"""Sections that were at the top of a recipe when the order of the steps was fixed."""


@dataclass(frozen=True)
class Use:
    """Code of the recipe's own: a Python file below `folder`, or an installed package that offers step types."""

    name: str
    folder: Path
    place: str = field(compare=False)

    @property
    def is_file(self) -> bool:
        return self.name.endswith(".py")


@dataclass
class Draft:
    """`head` is all but `steps` and `uses`; `places` are those of its keys, and of `steps` itself."""

    path: Path
    head: dict[str, Any]
    places: Places
    steps: list[StepDraft]
    uses: list[Use]
    files: dict[Path, str]


def read_mapping(path: Path) -> tuple[str, dict[str, Any], Places]:
    """The text of a recipe file, its mapping, and the places of its keys. Raises ConfigError where it is no mapping, or of
    the spelling in which steps had a fixed order."""
    text, _ = read_text(path, str(path))
    tree, places = read_yaml(text, lambda line: f"{path}:{line}")
    if not isinstance(tree, dict):
        held = "nothing" if tree is None else "a list" if isinstance(tree, list) else "a single value"
        raise ConfigError(f"{path}: a recipe is a mapping of sections; this file holds {held}.")
    old = [key for key in tree if key in OLD_SECTIONS]
    if old:
        *others, last = (f"'{key}'" for key in old)
        named = f"{', '.join(others)} and {last}" if others else last
        missing = "" if "steps" in tree else "`steps:` is missing; "
        raise ConfigError(
            f"{places[(old[0],)]}: {missing}{named} at the top of a recipe {'is' if len(old) == 1 else 'are'} of the old "
            "spelling: make each section a step of the list `steps:`, in the order in which they see each other "
            "(docs/recipes.md)."
        )
    return text, tree, places


def name_in(path: Path) -> str:
    """The name that a recipe file gives its builds and releases. ConfigError where it gives none that could be one."""
    _, tree, places = read_mapping(path)
    name = tree.get("name")
    if not isinstance(name, str) or not re.fullmatch(RECIPE_NAME, name):
        raise ConfigError(
            f"{places.get(('name',), path)}: 'name' of a recipe is missing, or no name (given: {name!r:.80})."
        )
    return name


def read_draft(path: Path) -> Draft:
    """Read a recipe file. Raises ConfigError with every mistake in the shape of its steps, a line each."""
    _, tree, places = read_mapping(path)
    files: dict[Path, str] = {}
    tree = with_own_files(tree, path.parent, places, files)
    uses = _uses(tree.pop("uses", None), path, places)
    steps = drafted_steps(tree.pop("steps"), ("steps",), places) if "steps" in tree else []
    return Draft(path, tree, {w: p for w, p in places.items() if w[0] not in {"steps", "uses"}}, steps, uses, files)


def _uses(given: Any, path: Path, places: Places) -> list[Use]:
    """The recipe's own code, parsed and not loaded."""
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(name, str) and name for name in given):
        raise ConfigError(f"{places[('uses',)]}: 'uses': write it as a list of Python files and packages.")
    uses = [Use(name, path.parent, places[("uses", number)]) for number, name in enumerate(given)]
    for use in uses:
        if use.is_file:
            own_file(use.name, use.folder, f"{use.place}: uses")
    return uses

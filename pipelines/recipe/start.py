"""A new recipe on the same log: what both recipes ask is asked once."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.recipe.draft import read_mapping
from pipelines.recipe.library import find_recipe
from pipelines.recipe.own_files import own_file, read_text
from pipelines.store.allowed_paths import resolved_inside
from pipelines.store.workspace import RECIPE_NAME, replacing
from schemas.errors import ConfigError

_NAME = re.compile(r"^name:[^\n#]*", re.MULTILINE)


def start_from(recipe: str, name: str, folder: Path) -> Path:
    """Copy a recipe, comments and all, to `folder/name.yaml` under its new name; returns the file.

    Prompts that are files of their own come along. Raises ConfigError where the name is no recipe name or the recipe's own,
    where a file is there already or would come to lie outside of `folder`, and where the file is no recipe.
    """
    source = find_recipe(recipe)
    text, tree, _ = read_mapping(source)
    if tree.get("name") == name:
        raise ConfigError(
            f"{recipe} is named '{name}' already, and both would share their builds; choose another name."
        )
    if not re.fullmatch(RECIPE_NAME, name):
        raise ConfigError(
            f"'{name}' cannot name a recipe: lower-case letters, digits, - and _, starting with a letter or digit."
        )
    target = folder / f"{name}.yaml"
    beside = {_place(file, folder, source): own_file(file, source.parent, str(source)) for file in _files(tree)}
    for path in (target, *beside):
        if path.exists() and path.resolve() not in {old.resolve() for old in beside.values()}:
            raise ConfigError(f"{path} is there already; choose another name or remove it.")
    for path, old in beside.items():
        if path.resolve() != old.resolve():
            _write(path, read_text(old, f"{source}: '{old.name}'")[0])
    _write(target, _NAME.sub(f"name: {name}", text, count=1))
    return target


def _place(file: str, folder: Path, source: Path) -> Path:
    """Where a file of a recipe goes. `a/../..` leads elsewhere in the new folder, where `a` is no link as it is in the old
    one, and of hidden files some are settings that tools obey (`.envrc`)."""
    try:
        inside = resolved_inside(folder / file, [folder])
    except (ValueError, OSError, RuntimeError):
        inside = None
    if inside is None or any(part.startswith(".") for part in inside.relative_to(folder.resolve()).parts):
        raise ConfigError(
            f"{source} names the file '{file[:80]}', which would be copied outside of {folder} or hidden in it. Give it "
            "another name beside the recipe, or copy both yourself."
        )
    return folder / file


def _files(tree: Any) -> Iterator[str]:
    """The files that prompts of a recipe name, and its own Python files."""
    if isinstance(tree, dict):
        if tree.keys() == {"file"} and isinstance(tree["file"], str):
            yield tree["file"]
        for key, value in tree.items():
            if key == "uses" and isinstance(value, list):
                yield from (name for name in value if isinstance(name, str) and name.endswith(".py"))
            yield from _files(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _files(value)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

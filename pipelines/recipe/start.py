"""A new recipe on the same log: what both recipes ask is asked once."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from pipelines.recipe.draft import read_mapping
from pipelines.recipe.extends import base_file
from pipelines.recipe.library import find_recipe, sidecar
from pipelines.recipe.own_files import named_files, own_file, read_text
from pipelines.recipe.yaml12 import read_yaml, value_span
from pipelines.store.allowed_paths import resolved_inside
from pipelines.store.workspace import RECIPE_NAME, replacing
from schemas.errors import ConfigError


def start_from(recipe: str, name: str, folder: Path) -> Path:
    """Copy a recipe, comments and all, to `folder/name.yaml` under its new name; returns the file.

    Files beside it come along: prompts, cards, its own code, a recipe that it extends, and its demo's sidecar. Raises
    ConfigError where the name is no recipe name or the recipe's own, where a file is there already or would come to lie
    outside of `folder`, and where the file is no recipe.
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
    target, renamed = folder / f"{name}.yaml", _renamed(text, tree, name, source)
    beside = {_place(file, folder, source): own_file(file, source.parent, str(source)) for file in _files(source, tree)}
    if sidecar(source).is_file():
        beside[sidecar(target)] = sidecar(source)
    for path in (target, *beside):
        shared = path in beside and path.resolve() == beside[path].resolve()
        if (path.exists() and not shared) or (path == target and path in beside):
            raise ConfigError(f"{path} is there already; choose another name or remove it.")
    for path, old in beside.items():
        if path.resolve() != old.resolve():
            _write(path, read_text(old, f"{source}: '{old.name}'")[0])
    _write(target, renamed)
    return target


def _renamed(text: str, tree: dict[str, Any], name: str, source: Path) -> str:
    """The text of a recipe with another name and nothing else changed, however its name is written."""
    span = value_span(text, "name")
    if span is None:
        raise ConfigError(f"{source}: 'name' is missing.")
    start, end = span
    block = "\n" if text[start:end].endswith("\n") else ""
    found = f"{text[:start]}{name}{block}{text[end:]}"
    try:
        same = read_yaml(found, str)[0] == {**tree, "name": name}
    except ConfigError:
        same = False
    if not same:  # an anchor, that other keys go by
        line = text.count("\n", 0, start) + 1
        raise ConfigError(f"{source}:{line}: write the name as `name: {name}`, on a line of its own.")
    return found


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


def _files(source: Path, tree: dict[str, Any]) -> Iterator[str]:
    """The files that a recipe names, and those that its sidecar does, from its folder."""
    yield from named_files(tree)
    if base := _base(source, tree):
        yield base
        inside = PurePath(base).parent
        yield from (str(inside / file) for file in named_files(read_mapping(source.parent / base)[1]))
    demo = sidecar(source)
    if demo.is_file() and (base := _base(demo, read_mapping(demo)[1])):
        yield from (base, str(sidecar(Path(base))))


def _base(path: Path, tree: dict[str, Any]) -> str | None:
    """The file beside it that a recipe or a sidecar extends."""
    name = tree.get("extends")
    if not isinstance(name, str) or not name.endswith((".yaml", ".yml")):
        return None
    base_file(name, path, str(path))  # it is there
    return name


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

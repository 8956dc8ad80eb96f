"""A new recipe on the same log: what both recipes ask is asked once."""

import re
from pathlib import Path

from pipelines.recipe.library import find_recipe
from pipelines.recipe.load import load_recipe
from pipelines.store.workspace import RECIPE_NAME, replacing
from schemas.errors import ConfigError

_NAME = re.compile(r"^name:[^\n#]*", re.MULTILINE)


def fork(recipe: str, name: str, folder: Path) -> Path:
    """Copy a recipe, comments and all, to `folder/name.yaml` under its new name; returns the file.

    Raises ConfigError where the name is no recipe name or the recipe's own, or where the file is there already.
    """
    if load_recipe(recipe).name == name:
        raise ConfigError(
            f"{recipe} is named '{name}' already, and both would share their builds; choose another name."
        )
    if not re.fullmatch(RECIPE_NAME, name):
        raise ConfigError(
            f"'{name}' cannot name a recipe: lower-case letters, digits, - and _, starting with a letter or digit."
        )
    target = folder / f"{name}.yaml"
    if target.exists():
        raise ConfigError(f"{target} is there already; choose another name or remove it.")
    text = find_recipe(recipe).read_text(encoding="utf-8")
    with replacing(target) as path:
        path.write_text(_NAME.sub(f"name: {name}", text, count=1), encoding="utf-8")
    return target

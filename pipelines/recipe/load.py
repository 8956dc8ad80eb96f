"""Recipes as files: found, read with the place of every key, given what the command line says, and checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from generators.models import is_template_file
from pipelines.recipe.library import find_recipe
from pipelines.recipe.mistakes import Places, mistakes
from pipelines.recipe.own_files import read_text
from pipelines.recipe.recipe import Recipe
from pipelines.recipe.unused import check_unused
from pipelines.recipe.yaml12 import read_yaml
from pipelines.store.allowed_paths import resolved_inside
from pipelines.store.workspace import TRIAL
from schemas.errors import ConfigError


def load_recipe(
    name: str, overrides: Sequence[str] = (), *, limit: int | None = None, seed: int | None = None
) -> Recipe:
    """Read and check a recipe. `overrides` are `a.b=value` texts, values in YAML, list items by number.

    With a limit or a seed that is not the file's own it is a trial, and its name says so
    (`pipelines.store.workspace.TRIAL`).
    Raises ConfigError with every mistake on a line of its own: file, line, key, what is wrong, the nearest valid name.
    """
    path = find_recipe(name)
    tree, lines = read_yaml(read_text(path, str(path))[0], lambda line: f"{path}:{line}")
    if not isinstance(tree, dict):
        held = "nothing" if tree is None else f"a {type(tree).__name__}"
        raise ConfigError(f"{path}: a recipe is a mapping of sections; this file holds {held}.")
    for override in overrides:
        _override(tree, lines, override)
    name_ = tree.get("name")
    if isinstance(name_, str) and name_.endswith(TRIAL):
        place = lines.get(("name",), str(path))
        raise ConfigError(
            f"{place}: 'name': {TRIAL} ends the names of builds with --limit or --seed; choose another name."
        )
    for key, value in (("limit", limit), ("seed", seed)):
        if value is not None:
            tree[key] = value
            lines[(key,)] = f"--{key}"
    if isinstance(name_, str) and _is_trial(lines):
        tree["name"] = f"{name_}{TRIAL}"
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(mistakes(Recipe, error.errors(), lines, path))) from None
    recipe.place(lines, path)
    try:
        check_unused(recipe)
    except ValueError as error:
        raise ConfigError(recipe.placed(str(error))) from None
    return _with_own_files(recipe, path, [override.partition("=")[0].split(".") for override in overrides])


def _with_own_files(recipe: Recipe, path: Path, said: Sequence[Sequence[str]]) -> Recipe:
    """The recipe with its templates found from its own folder. What a template holds is published, or sent to a model, so a
    recipe may name none elsewhere; one given on the command line (keys `said`) is the user's own word, and stays."""

    def own(name: str, *keys: str) -> Path:
        if any(list(keys[: len(given)]) == list(given) for given in said):
            return Path(name)
        template = path.parent / Path(name).expanduser()
        if resolved_inside(template, [path.parent]) is None:
            key = ".".join(keys)
            raise ConfigError(
                recipe.placed(
                    f"{key}: '{name}' lies outside the recipe's folder, and a release or a model would be given what it "
                    f"holds. Copy the file beside the recipe, or name it with --set {key}=FILE."
                )
            )
        return template

    models = dict(recipe.models)
    for name, model in models.items():
        given = model.args.get("chat_template")
        if isinstance(given, str) and is_template_file(given):
            file = str(own(given, "models", name, "args", "chat_template"))
            models[name] = model.model_copy(update={"args": {**model.args, "chat_template": file}})
    release = recipe.release
    if release.card is not None:
        release = release.model_copy(update={"card": own(str(release.card), "release", "card")})
    return recipe.model_copy(update={"models": models, "release": release})


def _is_trial(lines: Places) -> bool:
    """Whether the command line says how many rows there are, or how chance falls: as a whole, or of a source."""
    decided = (where for where, place in lines.items() if place.startswith("--"))
    return any(where[-1] in {"limit", "seed"} and (len(where) == 1 or where[0] == "sources") for where in decided)


def _override(tree: dict[str, Any], lines: Places, override: str) -> None:
    """Apply one `a.b=value` to the tree."""
    name, found, value = override.partition("=")
    if not found or not name:
        raise ConfigError(f"--set {override}: write it as key=value, for example --set rollouts.n=16.")
    keys: list[str | int] = [int(k) if k.isdigit() else k for k in name.split(".")]
    new, inner = read_yaml(value, lambda line: f"--set {override[:80]}")
    target: Any = tree
    for place, key in enumerate(keys):
        inside = ".".join(map(str, keys[:place]))
        if isinstance(target, list):
            if not isinstance(key, int) or key >= len(target):
                raise ConfigError(f"--set {override}: there is nothing at '{key}'; '{inside}' has {len(target)} items.")
        elif not isinstance(target, dict) or isinstance(key, int):
            raise ConfigError(f"--set {override}: there is nothing at '{key}'; '{inside}' is {target!r}.")
        if place == len(keys) - 1:
            target[key] = new
        elif isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        target = target[key]
    for stale in [where for where in lines if where[: len(keys)] == tuple(keys)]:
        del lines[stale]
    for length in range(1, len(keys)):
        lines.setdefault(tuple(keys[:length]), f"--set {override}")
    lines[tuple(keys)] = f"--set {override}"
    lines.update({(*keys, *below): place for below, place in inner.items()})

"""The recipes that come with curate, one file a variant: `recipes/<family>/<system>.yaml`."""

from pathlib import Path

from schemas.errors import ConfigError, nearest

RECIPES = Path(__file__).parent.parent / "recipes"

DEMO_SUFFIX = ".demo.yaml"
"""Ends the name of a recipe's sidecar (`pipelines.recipe.demo`), which is no recipe."""


def recipe_names(folder: Path = RECIPES) -> dict[str, Path]:
    """The recipes below a folder, by the names that they are asked for: `system`, or `family/system`.

    A name that two families share stands for none of them.
    """
    files = _files(folder)
    stems = [file.stem for file in files]
    short = {file.stem: file for file in files if stems.count(file.stem) == 1}
    return short | {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def families(folder: Path = RECIPES) -> dict[str, list[Path]]:
    """The recipe files of each family; those that lie in no folder of one are the family `""`."""
    found: dict[str, list[Path]] = {}
    for file in _files(folder):
        found.setdefault(family(file, folder), []).append(file)
    return found


def family(recipe: Path, folder: Path = RECIPES) -> str:
    """The folder below `folder` that a recipe lies in; empty where it lies in none."""
    path, above = recipe.resolve(), folder.resolve()
    inside = path.relative_to(above).parent.as_posix() if path.is_relative_to(above) else "."
    return "" if inside == "." else inside


def sidecar(recipe: Path) -> Path:
    """Where the sidecar of a recipe file lies: `mine.demo.yaml` beside `mine.yaml`."""
    return recipe.with_name(f"{recipe.stem}{DEMO_SUFFIX}")


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*.yaml") if not file.name.endswith(DEMO_SUFFIX))


def find_recipe(name: str, folder: Path = RECIPES) -> Path:
    """The file of a recipe: a path, or the name of one that comes with curate, with `-` or `_` between its words.

    Raises ConfigError where there is none.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise ConfigError(f"There is no recipe file '{name}'.")
        return path
    known = recipe_names(folder)
    # builds and releases go by the recipe's own name, which has dashes
    if found := known.get(name) or known.get(name.replace("-", "_")):
        return found
    shared = sorted(full for full in known if full.endswith(f"/{name}"))
    if shared:
        raise ConfigError(f"There are {len(shared)} recipes '{name}'; name its family too: {' or '.join(shared)}.")
    raise ConfigError(
        f"There is no recipe '{name}'.{nearest(name, known)} `curate recipes` lists those that come with curate; one of "
        "your own is named by its path."
    )

"""Files that a recipe names, such as long prompts: they lie beside it, because what they hold is sent or published."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generators.models import is_template_file
from pipelines.recipe.mistakes import Places, Where
from pipelines.store.allowed_paths import resolved_inside
from schemas.errors import ConfigError

MOST_BYTES = 1 << 20
_PROMPTS = {"prompt", "system", "prefix"}


def read_text(path: Path, name: str) -> tuple[str, str]:
    """The text of a file, and the sha256 of its bytes; `name` it has in messages.

    Raises ConfigError for a file that cannot be read, has over 1 MB or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{name} is larger than 1 MB.")
    try:
        return data.decode("utf-8-sig"), hashlib.sha256(data).hexdigest()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not UTF-8 (at byte {error.start:,}).") from None


def own_file(name: str, folder: Path | None, where: str) -> Path:
    """The path of a file that a recipe in `folder` names; `where` is the place and key for messages.

    Without a folder the name comes from the command line: the user's own word, from the current folder. Raises ConfigError
    for a file that lies elsewhere than below the folder once links are resolved.
    """
    if folder is None:
        return Path(name).expanduser()
    try:
        inside = resolved_inside(folder / name, [folder])
    except (ValueError, OSError, RuntimeError):
        raise ConfigError(f"{where}: '{name[:80]}' is no path of a file.") from None
    if inside is None:
        raise ConfigError(
            f"{where}: '{name}' lies outside the recipe's folder, and a release or a model would be given what it holds. "
            "Copy the file beside the recipe."
        )
    if inside.exists() and not (inside.is_file() or inside.is_dir()):
        raise ConfigError(f"{where}: '{name}' is no regular file, and whoever opens it may wait for ever.")
    return folder / name


def with_own_files(value: Any, folder: Path | None, places: Places, files: dict[Path, str], where: Where = ()) -> Any:
    """A part of a recipe, with the text of a file for `prompt: {file: NAME}` and paths from the folder for other files.

    The sha256 of each text goes into `files`. `places` are those of the part, `where` the keys above it.
    """
    if isinstance(value, list):
        return [with_own_files(item, folder, places, files, (*where, n)) for n, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    return {key: _own(str(key), held, folder, places, files, (*where, key)) for key, held in value.items()}


def named_files(value: Any, where: Where = ()) -> Iterator[str]:
    """The files beside it that a part of a recipe names: prompts, cards, chat templates and its own Python files."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            if where == ("uses",) and isinstance(item, str) and item.endswith(".py"):
                yield item
            yield from named_files(item, (*where, number))
    elif isinstance(value, dict):
        for key, held in value.items():
            below = (*where, str(key))
            if _is_prompt(held, below):
                yield from [held["file"]] if isinstance(held["file"], str) else []
            elif _is_path(held, below):
                yield str(held)
            else:
                yield from named_files(held, below)


def _last(where: Where) -> str:
    return str(where[-1]).rpartition(".")[2]  # under `set`, keys are dotted


def _is_prompt(value: Any, where: Where) -> bool:
    """Whether a value stands for the text of a file."""
    return _last(where) in _PROMPTS and isinstance(value, dict) and list(value) == ["file"]


def _is_path(value: Any, where: Where) -> bool:
    """Whether a value is the path of a file that is read later on."""
    template = _last(where) == "chat_template" and isinstance(value, str) and is_template_file(value)
    return template or (_last(where) == "card" and isinstance(value, str) and where[0] in {"steps", "insert", "set"})


def _own(key: str, value: Any, folder: Path | None, places: Places, files: dict[Path, str], where: Where) -> Any:
    last = _last((key,))
    dotted = ".".join(map(str, where))
    at = f"{places.get(where, places.get(where[:1], ''))}: {dotted if where[0] == 'models' else last}"
    if _is_prompt(value, where):
        name = value["file"]
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{at}.file: write the name of a file (given: {name!r}).")
        path = own_file(name, folder, f"{at}.file")
        text, files[path] = read_text(path, f"{at}.file: '{name}'")
        return text
    if folder is not None and _is_path(value, where):
        return str(own_file(value, folder, at))
    return with_own_files(value, folder, places, files, where)

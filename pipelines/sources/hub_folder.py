"""What `datasets` would read for a stranger: a dataset's own settings name files of the dataset, and of nothing else.

A dataset says in its README (or `.huggingface.yaml`), and one that was saved in `state.json`, where its files lie; the
library follows absolute paths, `..`, links and addresses. All of these are refused before it is asked.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines.sources.unpacking import weigh_packed
from pipelines.store.allowed_paths import found_inside
from schemas.errors import ConfigError

_CARD, _SETTINGS = "README.md", ".huggingface.yaml"
_PLACES = ("data_files", "data_dir")


def check_folder(source: str, folder: Path) -> None:
    """Raise ConfigError where a local folder would have files read that are not its own, or that unpack without end."""
    for where, name in _named(folder):
        if _leads_out(name):
            raise ConfigError(
                f"Source '{source}': {where} of the dataset '{folder}' names '{name[:200]}', and a dataset may only name "
                "files below its own folder. If you want these, name them in a source of their own."
            )
    for path in _visible(folder):
        if path.is_symlink():
            found_inside(path, folder, f"Source '{source}'")
        if path.is_file():
            weigh_packed(f"Source '{source}': '{path}'", path)


def check_files(source: str, name: str, files: Iterable[str]) -> None:
    """Raise ConfigError where the settings of a dataset on the Hub name a file elsewhere."""
    for file in files:
        if not file.startswith(f"hf://datasets/{name}@") or ".." in PurePosixPath(file).parts:
            raise ConfigError(
                f"Source '{source}': the dataset '{name}' names '{file[:200]}', and a dataset may only name its own files."
            )


def _leads_out(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/"))
    return "://" in name or "::" in name or parts.is_absolute() or ".." in parts.parts or name.startswith("~")


def _named(folder: Path) -> Iterator[tuple[str, str]]:
    """The files that a dataset's settings name, each with the file that names it."""
    import yaml
    from huggingface_hub import DatasetCard

    if (folder / _CARD).is_file():
        card = DatasetCard.load(folder / _CARD).data.to_dict()
        yield from ((_CARD, name) for name in _places(card.get("configs")))
    if (folder / _SETTINGS).is_file():
        settings = yaml.safe_load((folder / _SETTINGS).read_text(encoding="utf-8"))
        yield from ((_SETTINGS, name) for name in _places(settings))
    for path in (folder / "state.json", *folder.glob("*/state.json")):
        if path.is_file():
            state = json.loads(path.read_text(encoding="utf-8"))
            yield from (("state.json", name) for name in _texts(state.get("_data_files")))
    if (folder / "dataset_dict.json").is_file():
        splits = json.loads((folder / "dataset_dict.json").read_text(encoding="utf-8"))
        yield from (("dataset_dict.json", name) for name in _texts(splits.get("splits")))


def _places(value: Any) -> Iterator[str]:
    """The texts below keys that name files. Each object is looked at once, however often aliases show it."""
    seen: set[int] = set()
    left = [value]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            yield from (text for name in _PLACES for text in _texts(one.get(name)))
            left += one.values()
        elif isinstance(one, list):
            left += one


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, keys left out."""
    seen: set[int] = set()
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict | list) and id(one) not in seen:
            seen.add(id(one))
            left += one.values() if isinstance(one, dict) else one


def _visible(folder: Path) -> Iterator[Path]:
    """The files and folders below a folder that `datasets` would look at."""
    for path in sorted(folder.iterdir()):
        if not path.name.startswith((".", "__")):
            yield path
            if path.is_dir() and not path.is_symlink():
                yield from _visible(path)

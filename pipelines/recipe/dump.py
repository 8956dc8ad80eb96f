"""A document as the text of a recipe: what it extends and the files of its prompts written out."""

from pathlib import PurePath
from typing import Any

import yaml

from pipelines.recipe.document import Document
from pipelines.recipe.yaml12 import scalar
from pipelines.store.workspace import DEMO, recipe_of


def dump_document(document: Document) -> str:
    """The recipe in one file, which loads as the same document.

    A trial goes under the name of its recipe. A demo does not: its rows would become a version of that. Python files of
    `uses` keep their names, so the text belongs into the folder of the recipe that names them.
    """
    head: dict[str, Any] = document.model_dump(by_alias=True, exclude_unset=True, exclude={"steps", "uses"})
    head["name"] = recipe_of(document.name) + ("-demo" if document.name.endswith(DEMO) else "")
    if document.uses:
        head["uses"] = [use.name for use in document.uses]
    steps = [{entry.type: dict(entry.section)} if entry.section else entry.type for entry in document.steps]
    return yaml.dump(_plain({**head, "steps": steps}), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _plain(value: Any) -> Any:
    """A value as YAML knows it. (As JSON, pydantic would write infinity as null.)"""
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML reads as something else than a text, and writes repeated values out."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    plain = text.replace("\n", "").isprintable() and isinstance(
        _as_plain(text), str
    )  # \x85 too ends a line in YAML 1.1
    style = '"' if not plain else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _as_plain(text: str) -> Any:
    """What a plain scalar is read as; a number of too many digits is one all the same."""
    try:
        return scalar(text)
    except ValueError:
        return 0


_Dumper.add_representer(str, _text)

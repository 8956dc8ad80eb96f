"""Custom step types: a Python file beside the recipe, or an installed package with entry points. Loaded when trusted.

The built-in step types have no other door: an own one is the same `StepType`.
"""

import re
import sys
from collections.abc import Collection
from dataclasses import replace
from importlib.abc import ExecutionLoader
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points
from importlib.util import module_from_spec, spec_from_loader
from typing import Any, cast

from pipelines.recipe.document import Document
from pipelines.recipe.draft import Use
from pipelines.recipe.entries import STEP_NAME
from pipelines.recipe.own_files import own_file, read_text
from schemas.errors import ConfigError, nearest
from schemas.step import StepType

GROUP = "curate.steps"
"""The group of entry points that offer step types: the name of the type = the `StepType`."""


class _Source(ExecutionLoader):
    """Runs the very text that was hashed, whatever becomes of the file meanwhile."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_source(self, fullname: str) -> str:
        return self._text


def load_uses(document: Document, known: Collection[str] = ()) -> dict[str, StepType[Any]]:
    """The step types that `uses` brings, by name; `known` are those that are there already, and may not be replaced.

    It runs the code, so the document was loaded with `trust`. Of a package only the types that the recipe names are
    imported. The version of a type from a file is that file's hash, so that an edit outdates what it made; a package says
    its own. Raises ConfigError where code cannot be loaded or a type comes twice.
    """
    wanted = {entry.type for entry in document.steps}
    found: dict[str, StepType[Any]] = {}
    for use in document.uses:
        at = f"{use.place}: uses"
        for step in _of_file(use, at) if use.is_file else _of_package(use, at, wanted):
            if not STEP_NAME.fullmatch(step.name):
                raise ConfigError(
                    f"{at}: '{use.name}' brings the step type '{step.name[:64]}'; a name has lower-case letters, digits and "
                    "_, a letter first, at most 64."
                )
            if step.name in known or step.name in found:
                raise ConfigError(f"{at}: '{use.name}' brings the step type '{step.name}', which is there already.")
            found[step.name] = step
    return found


def _of_file(use: Use, at: str) -> list[StepType[Any]]:
    path = own_file(use.name, use.folder, at)
    source, digest = read_text(path, f"{at}: '{use.name}'")
    name = f"_curate_uses_{digest[:16]}"
    module = sys.modules.get(name)
    if module is None:
        spec = spec_from_loader(name, _Source(source, str(path)))
        module = module_from_spec(cast(ModuleSpec, spec))
        sys.modules[name] = module  # where pydantic and pickle look for the names of its classes
        try:
            cast(_Source, module.__loader__).exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise _failed(error, at, use) from error
    steps = list({id(held): held for held in vars(module).values() if isinstance(held, StepType)}.values())
    if not steps:
        raise ConfigError(f"{at}: '{use.name}' holds no StepType; a step type is a variable of the file.")
    return [replace(step, version=int(digest[:15], 16)) for step in steps]


def _of_package(use: Use, at: str, wanted: Collection[str]) -> list[StepType[Any]]:
    offered = [point for point in _distribution(use, at).entry_points if point.group == GROUP]
    if not offered:
        raise ConfigError(f"{at}: the package '{use.name}' offers no step types (entry points of the group {GROUP}).")
    return [_loaded(point, use, at) for point in offered if point.name in wanted]


def _distribution(use: Use, at: str) -> Distribution:
    try:
        return distribution(use.name)
    except (PackageNotFoundError, ValueError):
        offering = {point.dist.name for point in entry_points(group=GROUP) if point.dist is not None}
        cure = nearest(use.name, offering) or f" Install it with: pip install {use.name}"
        if not re.fullmatch(r"[\w.-]+", use.name):
            cure = " Name an installed package, or a file that ends in .py."
        raise ConfigError(f"{at}: no package '{use.name}' is installed.{cure}") from None


def _loaded(point: EntryPoint, use: Use, at: str) -> StepType[Any]:
    try:
        step = point.load()
    except (Exception, SystemExit) as error:
        raise _failed(error, at, use) from error
    if not isinstance(step, StepType):
        raise ConfigError(f"{at}: '{use.name}': the entry point '{point.name}' ({point.value}) is no StepType.")
    if step.name != point.name:
        raise ConfigError(
            f"{at}: '{use.name}': the entry point '{point.name}' holds a step type of another name, '{step.name}'."
        )
    return step


def _failed(error: BaseException, at: str, use: Use) -> ConfigError:
    return ConfigError(f"{at}: '{use.name}' could not be imported: {type(error).__name__}: {error}.")

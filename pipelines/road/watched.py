"""What a stage looks at, noted while it looks: nobody declares it, so nobody can forget it.

A stage is given a recipe and models that note which section, and whose identity, it reads. How a stage is run (retries,
servers, names) is not noted: it decides nothing that a table holds.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:  # which build on this
    from pipelines.recipe.recipe import Recipe
    from pipelines.road.stage import Build
    from schemas.completion import ModelIdentity

Note = Callable[[str], None]

_HOW = frozenset({"name", "description", "driver", "models"})
"""Fields of a recipe that decide no row. Models count by their identities; a release describes the recipe as a whole,
but its content is its rows."""


def watched(build: "Build", note: Note) -> "Build":
    """The same build; it notes `recipe <section>` and `model <name>` when they are read."""
    seen = replace(build, recipe=cast("Recipe", _Recipe(build.recipe, note)))
    vars(seen).update(media=build.media, memory=build.memory, log=build.log, identities=_Identities(build, note))
    return seen


class _Recipe:
    def __init__(self, recipe: "Recipe", note: Note) -> None:
        self._recipe = recipe
        self._note = note

    def __getattr__(self, name: str) -> Any:
        if name in type(self._recipe).model_fields and name not in _HOW:
            self._note(f"recipe {name}")
        return getattr(self._recipe, name)


class _Identities(Mapping[str, "ModelIdentity"]):
    def __init__(self, build: "Build", note: Note) -> None:
        self._build = build
        self._note = note

    def __getitem__(self, name: str) -> "ModelIdentity":
        self._note(f"model {name}")
        return self._build.identities[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._build.identities)

    def __len__(self) -> int:
        return len(self._build.identities)

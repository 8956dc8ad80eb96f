"""A recipe that extends another: its steps, some set, removed or inserted. One level: one reads two files at most."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from pipelines.recipe.assign import assign
from pipelines.recipe.draft import CHANGES, Draft, read_draft
from pipelines.recipe.entries import StepDraft, drafted_steps
from pipelines.recipe.library import find_recipe
from pipelines.recipe.mistakes import Places, mistakes
from pipelines.store.allowed_paths import resolved_inside
from schemas.errors import ConfigError, nearest
from schemas.section import Section


class Insertion(Section):
    """Steps that come in beside a step of the base."""

    after: str | None = None
    before: str | None = None
    steps: list[Any] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.after is None) == (self.before is None):
            raise ValueError("name one step, that the new ones come `after` or `before`")
        return self

    @property
    def beside(self) -> str:
        return self.after or self.before or ""


class Extension(Section):
    """How a recipe differs from the one that it extends."""

    extends: str = Field(min_length=1)
    set: dict[str, Any] = Field(default_factory=dict)
    remove: list[str] = Field(default_factory=list)
    insert: list[Insertion] = Field(default_factory=list)


def resolved(draft: Draft) -> Draft:
    """The draft, with what it extends. What comes from the base keeps its places in the base's file.

    Keys of the head replace those of the base, models one by one; the name is never the base's. Steps are inserted, then
    removed, then set. Raises ConfigError: no such base, a base that extends another, a change to a step that is not there.
    """
    path, places = draft.path, draft.places
    if "extends" not in draft.head:
        for key in CHANGES:
            if key in draft.head:
                raise ConfigError(f"{places[(key,)]}: '{key}' changes what a recipe extends; add `extends: NAME`.")
        return draft
    if draft.steps:
        raise ConfigError(
            f"{draft.steps[0].place}: a recipe that extends another has no `steps`; it changes those of the other with set, "
            "remove and insert."
        )
    changes = {key: draft.head.pop(key) for key in ("extends", *CHANGES) if key in draft.head}
    if isinstance(changes.get("insert"), dict):
        changes["insert"] = [changes["insert"]]
        places = {(("insert", 0, *w[1:]) if w[0] == "insert" and len(w) > 1 else w): p for w, p in places.items()}
        places[("insert", 0)] = places[("insert",)]
    try:
        extension = Extension.model_validate(changes)
    except ValidationError as error:
        raise ConfigError("\n".join(mistakes(Extension, error.errors(), places, path))) from None
    file = base_file(extension.extends, path, places[("extends",)])
    if file.resolve() == path.resolve():
        raise ConfigError(f"{places[('extends',)]}: extends: '{extension.extends}' is this recipe; name another.")
    base = read_draft(file)
    if "extends" in base.head:
        raise ConfigError(
            f"{places[('extends',)]}: '{extension.extends}' extends '{base.head['extends']}' itself; extend that one, for a "
            "recipe is read from two files at most."
        )
    whole = _merged(base, draft, places)
    _insert(whole.steps, extension, places)
    _remove(whole.steps, base.steps, extension, places)
    for dotted, value in extension.set.items():
        inner = {w[2:]: p for w, p in places.items() if w[:2] == ("set", dotted) and len(w) > 2}
        assign(whole, dotted, value, inner, places[("set", dotted)])
    return whole


def base_file(name: str, path: Path, place: str) -> Path:
    """The file of the recipe that the file `path` extends: one that comes with curate, or one below the folder of `path`.

    Raises ConfigError, which starts with `place`, where there is none.
    """
    if not name.endswith((".yaml", ".yml")):
        try:
            return find_recipe(name)
        except ConfigError as error:
            raise ConfigError(f"{place}: extends: {error}") from None
    base = path.parent / name
    if resolved_inside(base, [path.parent]) is None:
        raise ConfigError(f"{place}: extends: '{name}' lies outside the recipe's folder.")
    if not base.is_file():
        raise ConfigError(f"{place}: extends: there is no file '{name}' in the recipe's folder.")
    return base


def _merged(base: Draft, own: Draft, own_places: Places) -> Draft:
    """The base's draft with the head of the recipe that extends it."""
    head = {key: value for key, value in base.head.items() if key != "name"}
    places = {where: place for where, place in base.places.items() if where[0] not in {"name", "steps"}}
    for key, value in own.head.items():
        both = key == "models" and isinstance(value, dict) and isinstance(head.get(key), dict)
        parts = [(key, name) for name in value] if both else [(key,)]
        head[key] = {**head[key], **value} if both else value
        places = {
            where: place for where, place in places.items() if not any(where[: len(part)] == part for part in parts)
        }
    places |= {where: place for where, place in own_places.items() if where[0] in own.head}
    return Draft(own.path, head, places, list(base.steps), base.uses + own.uses, base.files | own.files)


def _insert(steps: list[StepDraft], extension: Extension, places: Places) -> None:
    for number, insertion in enumerate(extension.insert):
        side = "after" if insertion.after is not None else "before"
        at = _find(steps, insertion.beside, places[("insert", number, side)], f"insert.{number}.{side}")
        at += insertion.after is not None
        steps[at:at] = drafted_steps(insertion.steps, ("insert", number, "steps"), places)


def _remove(steps: list[StepDraft], base: list[StepDraft], extension: Extension, places: Places) -> None:
    """Remove steps of the base; one that was inserted in its place may have its name."""
    for number, name in enumerate(extension.remove):
        step = base[_find(base, name, places[("remove", number)], f"remove.{number}")]
        if not any(step is other for other in steps):
            raise ConfigError(f"{places[('remove', number)]}: '{name}' is removed twice.")
        steps[:] = [other for other in steps if other is not step]


def _find(steps: list[StepDraft], name: str, place: str, key: str) -> int:
    names = [step.name for step in steps]
    if name not in names:
        known = nearest(name, names) or f" There are: {', '.join(names)}."
        raise ConfigError(f"{place}: '{key}': there is no step named '{name}'.{known}")
    return names.index(name)

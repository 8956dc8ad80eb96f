"""A recipe as a document: who made it, its models and sources, and its steps in order, each a type and a section.

A document is whole and says where everything in it was written, but what a section may hold is known to its step type only
(`typed.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError

from pipelines.ingest.ingest import IngestConfig
from pipelines.recipe.assign import assign, override
from pipelines.recipe.draft import Draft, Use, read_draft
from pipelines.recipe.entries import check_names
from pipelines.recipe.extends import resolved
from pipelines.recipe.library import RECIPES, find_recipe
from pipelines.recipe.mistakes import Places, Where, endless, mistakes, place_of
from pipelines.recipe.strangers import refused, untrusted
from pipelines.run.driver_config import DriverConfig
from pipelines.sources.source import Source
from pipelines.store.workspace import BUILD_NAME, DEMO, TRIAL, is_trial
from schemas.engine import ModelConfig
from schemas.errors import ConfigError
from schemas.section import Section


class About(Section):
    """What a recipe follows, and how it differs from that. Other keys are the author's own; their values are plain."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | bool | int | float | list[str | int | float] | None] = Field(init=False)

    paper: str | None = Field(default=None, description="the publication, such as arXiv 2504.11468")
    code: str | None = Field(default=None, description="where its authors' code is, such as the repository on GitHub")
    variant: str | None = Field(default=None, description="which of the recipes of one system this is")
    sizes: tuple[str, ...] = Field(default=(), description="how many rows were published, each set in a text")
    results: tuple[str, ...] = Field(default=(), description="what its authors measured, each figure in a text")
    differs: tuple[str, ...] = Field(default=(), description="where it departs from what was published")


@dataclass(frozen=True)
class Entry:
    """A step of a recipe. `places` are those of the keys of `section`, `place` is its own: `file:line`."""

    type: str
    name: str
    section: Mapping[str, Any]
    place: str = field(default="", compare=False)
    places: Mapping[tuple[str | int, ...], str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Demonstration:
    """What a demo puts in the place of a recipe's own: values by dotted keys. `facts` say so in the manifest."""

    changes: Sequence[tuple[str, Any]]
    facts: Mapping[str, Any]


class Document(Section):
    """All that decides a release, but for the sources' bytes and the log."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str = Field(pattern=f"^{BUILD_NAME}$", max_length=100, description="names the build and its releases")
    about: About = About()
    description: str = ""
    seed: int = Field(default=0, description="all chance in the build; sampling has a seed of its own")
    limit: int | None = Field(default=None, ge=1, description="at most so many samples, spread over the sources")
    models: dict[str, ModelConfig] = Field(default_factory=dict, description="the models, by the name that steps use")
    driver: DriverConfig = DriverConfig()
    sources: tuple[Source, ...] = Field(min_length=1)
    ingest: IngestConfig = Field(default=IngestConfig(), description="the step that comes first of itself")
    uses: tuple[Use, ...] = Field(default=(), description="Python files beside the recipe, and packages, of step types")
    steps: tuple[Entry, ...] = Field(min_length=1)

    _path: Path = PrivateAttr(default=Path())
    _places: Places = PrivateAttr(default_factory=dict)
    _files: dict[Path, str] = PrivateAttr(default_factory=dict)
    _demo: Mapping[str, Any] | None = PrivateAttr(default=None)

    @property
    def path(self) -> Path:
        """The file that the recipe was read from."""
        return self._path

    @property
    def places(self) -> Places:
        """Where each key was given, by its path of keys; those of a step start with `steps` and its name."""
        return self._places

    @property
    def files(self) -> Mapping[Path, str]:
        """The sha256 of each file whose text is part of the recipe."""
        return self._files

    def to_json(self) -> dict[str, Any]:
        """All that decides a release, for its manifest: no server, key or pace of this machine."""
        found = self.model_dump(mode="json", by_alias=True, exclude={"steps", "uses", "driver"})
        for name, model in found["models"].items():
            model["engine"] = self.models[name].replica.engine  # not on how many machines
            for fact in ("base_urls", "headers_env", "concurrency", "requests_per_second", "timeout_s", "ray"):
                model.pop(fact, None)
        found["uses"] = [use.name for use in self.uses]
        found["steps"] = [{entry.type: dict(entry.section)} for entry in self.steps]
        return found if self._demo is None else {**found, "demo": dict(self._demo)}

    def placed(self, message: str) -> str:
        """A sentence that starts with a dotted key, with that key's place before it."""
        return f"{place_of(message, self._places, self._path)}: {message}"


def load_document(
    name: str,
    overrides: Sequence[str] = (),
    *,
    trust: bool = False,
    limit: int | None = None,
    seed: int | None = None,
    demo: Demonstration | None = None,
) -> Document:
    """Read a recipe: a path, or the name of one that comes with curate. `overrides` are `key=value` texts, values in YAML.

    With a limit or a seed that is not the file's own it is a trial, and its name says so (`workspace.TRIAL`), and so it does
    of a demo, whose changes come before the overrides.
    Raises ConfigError with every mistake on a line of its own; and where the recipe has code of its own, without `trust`.
    """
    draft = resolved(read_draft(find_recipe(name)))
    if draft.uses and not trust:
        names = ", ".join(use.name for use in draft.uses)
        raise ConfigError(
            f"{draft.uses[0].place}: this recipe runs code of its own ({names}), which can do whatever you can. Read it, "
            "then add --trust."
        )
    for key, value in demo.changes if demo is not None else ():
        assign(draft, key, value, {}, "--demo")
    for option in overrides:
        override(draft, option)
    check_names(draft.steps)
    _check_strangers(draft, trust)
    _name_trials(draft, {"limit": limit, "seed": seed}, demo is not None)
    steps = [Entry(step.type, step.name, step.section, step.place, step.places) for step in draft.steps]
    places = draft.places
    for entry in steps:
        places[("steps", entry.name)] = entry.place
        places.update({("steps", entry.name, *where): place for where, place in entry.places.items()})
    given: dict[str, Any] = {"uses": tuple(draft.uses)} if draft.uses else {}
    given |= {"steps": tuple(steps)} if steps or ("steps",) in places else {}
    try:
        document = Document.model_validate({**draft.head, **given})
    except ValidationError as error:
        raise ConfigError("\n".join(mistakes(Document, error.errors(), places, draft.path))) from None
    sections = {"steps": {entry.name: entry.section for entry in steps}}
    if wrong := [".".join(map(str, where)) for where in endless({**draft.head, **sections})]:
        refused = (f"{place_of(key, places, draft.path)}: '{key}': input should be a finite number." for key in wrong)
        raise ConfigError("\n".join(refused))
    document._path, document._places, document._files = draft.path, places, draft.files
    document._demo = None if demo is None else demo.facts
    return document


def _check_strangers(draft: Draft, trust: bool) -> None:
    """Refuse what others would see or run, before any message shows what a key holds."""
    places = {**draft.places, **{("steps", s.name, *where): p for s in draft.steps for where, p in s.places.items()}}
    places |= {("steps", step.name): step.place for step in draft.steps}

    def place(where: Where) -> str:
        return place_of(".".join(map(str, where)), places, draft.path)

    if found := refused(draft.head, [(step.name, step.section) for step in draft.steps]):
        raise ConfigError("\n".join(f"{place(where)}: '{'.'.join(map(str, where))}' {why}." for where, why in found))
    ours = draft.path.resolve().is_relative_to(RECIPES.resolve())
    if not (trust or ours) and (where := next(untrusted(draft.head.get("models")), None)):
        raise ConfigError(
            f"{place(where)}: '{'.'.join(map(str, where))}' runs code that is not curate's, or opens files elsewhere, and "
            "can do whatever you can. Read it, then add --trust."
        )


def _name_trials(draft: Draft, options: Mapping[str, int | None], demo: bool) -> None:
    """Take over `--limit` and `--seed`; a build whose rows or chance the command line decides has a name of its own."""
    name, places = draft.head.get("name"), draft.places
    if isinstance(name, str) and is_trial(name):
        place, ending = places.get(("name",), str(draft.path)), DEMO if name.endswith(DEMO) else TRIAL
        how = "--demo" if ending == DEMO else "--limit or --seed"
        raise ConfigError(f"{place}: 'name': {ending} ends the names of builds with {how}; choose another name.")
    for key, value in options.items():
        if value is not None:
            draft.head[key] = value
            places[(key,)] = f"--{key}"
    decided = [where for where, place in places.items() if place.startswith("--") and where[-1] in {"limit", "seed"}]
    tried = any(len(where) == 1 or where[0] == "sources" for where in decided)
    if isinstance(name, str) and (demo or tried):
        draft.head["name"] = f"{name}{DEMO if demo else TRIAL}"

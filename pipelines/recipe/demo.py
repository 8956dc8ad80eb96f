"""A recipe's sidecar: how its demo is fed, and what has to come of it.

`<recipe>.demo.yaml` lies beside `<recipe>.yaml`. A demo runs the recipe's own steps whole on two cores without a network.
It changes models, sources, rows, and the length and form of replies (`pipelines.recipe.demo_changes`); never steps, n or
windows.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator

from filters.sql.reach import acting
from pipelines.recipe.draft import read_mapping
from pipelines.recipe.extends import base_file
from pipelines.recipe.library import sidecar
from pipelines.recipe.mistakes import Places, mistakes, place_of
from pipelines.sources.tasks import TaskName, TaskSection
from pipelines.store.read_only_sql import statement_kinds
from schemas.errors import ConfigError
from schemas.section import Section

Count = Annotated[int, Field(ge=0)]


class DemoSource(TaskSection):
    """What stands for a source of the recipe: rows of a procedural task, in the form in which the dataset was published."""

    task: TaskName | None = Field(
        default=None, description="what is asked; unset: what the source's schema or kind is of"
    )


class Claim(Section):
    """Something that is true of what a demo makes, and that noise would not meet."""

    name: str = Field(min_length=1, description="what holds, as a sentence")
    sql: str = Field(min_length=1, description="SQL that gives one boolean, over the views of `curate query`")

    @field_validator("sql")
    @classmethod
    def _one_select(cls, sql: str) -> str:
        """Of several statements the last alone would count; and what is no SQL is better known before a build than after."""
        try:
            kinds = statement_kinds(sql, "it")
        except ConfigError as error:
            raise ValueError(str(error).removesuffix(".")) from None
        if kinds != ["SELECT"]:
            raise ValueError(f"a claim is one SELECT, and this is {' and '.join(kinds) or 'nothing'}")
        if called := acting(sql):
            raise ValueError(f"a claim only reads, and this calls {called}()")
        return sql


class Expectation(Section):
    """What has to come of a demo."""

    drops: tuple[str, ...] = Field(default=(), description="steps that keep some rows and drop some")
    rows: dict[str, Count] = Field(default_factory=dict, description="at least so many rows of each config")
    holds: tuple[Claim, ...] = Field(default=(), description="what is true of it")


class Demo(Section):
    """How a recipe's demo is fed, and what has to come of it. With `extends`, what is not given here is the other's."""

    extends: str | None = Field(default=None, description="another recipe, whose sidecar this one starts from")
    seed: int = Field(default=0, description="of the tasks, and of all sampling")
    after: tuple[str, ...] = Field(default=(), description="recipes whose demos it goes on from")
    sources: dict[str, DemoSource] = Field(default_factory=dict, description="by the names of the recipe's sources")
    evaluation_sets: dict[str, DemoSource] = Field(
        default_factory=dict, description="by the names of those that `decontaminate` reads"
    )
    tokens: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="the most that a reply of a step may have; of all others 16"
    )
    temperatures: dict[str, Annotated[float, Field(gt=0, le=10)]] = Field(
        default_factory=dict, description="higher temperatures of steps, where small models hold one opinion"
    )
    constrain: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="by step, expressions that sections of its replies are held to, so that a guess is of the right form",
    )
    empty: tuple[str, ...] = Field(
        default=(), description="configs that stay empty, as models this small never come to what they hold"
    )
    lengths: dict[str, str] = Field(
        default_factory=dict, description="conditions on the length of a text, by step.cause, with smaller numbers"
    )
    expect: Expectation = Expectation()


class Sidecar:
    """A demo with the places of its keys, so that what is wrong with it has its line."""

    def __init__(self, path: Path, demo: Demo, places: Places) -> None:
        self.path, self.demo, self.places = path, demo, places

    def fault(self, key: str, what: str) -> ConfigError:
        """An error about a dotted key."""
        return ConfigError(f"{place_of(key, self.places, self.path)}: '{key}': {what}")


def read_sidecar(recipe: Path) -> Sidecar:
    """The sidecar of a recipe file. Raises ConfigError where there is none, or with every mistake in it, a line each."""
    path = sidecar(recipe)
    if not path.is_file():
        raise ConfigError(
            f"{recipe}: this recipe has no demo; write {path.name} beside it, which says with what small tasks its sources "
            "are fed (docs/recipes.md)."
        )
    _, tree, places = read_mapping(path)
    name = tree.get("extends")
    if isinstance(name, str):
        tree, places = _extended(path, tree, places, name)
    try:
        return Sidecar(path, Demo.model_validate(tree), places)
    except ValidationError as error:
        raise ConfigError("\n".join(mistakes(Demo, error.errors(), places, path))) from None


def _extended(path: Path, tree: dict[str, Any], places: Places, name: str) -> tuple[dict[str, Any], Places]:
    """The sidecar's keys over those of another, which extends none."""
    base = sidecar(base_file(name, path, places[("extends",)]))
    if not base.is_file():
        raise ConfigError(f"{places[('extends',)]}: extends: '{name}' has no demo.")
    _, below, lower = read_mapping(base)
    if "extends" in below:
        raise ConfigError(f"{places[('extends',)]}: extends: the demo of '{name}' extends '{below['extends']}' itself.")
    kept = {where: place for where, place in lower.items() if where[0] not in tree}
    return {**below, **tree}, {**kept, **places}

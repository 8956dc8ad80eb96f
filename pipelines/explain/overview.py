"""A recipe at a glance: what it gives, what it needs, and how much it asks of each sample, all from what it compiles to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.compiler.columns import Node
from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.job import Compiled, compile_recipe
from pipelines.recipe.library import RECIPES, recipe_names
from pipelines.steps.as_asked import ask_of


@dataclass(frozen=True)
class Need:
    """A model of a recipe. `sees` says whether any step shows it images, `steps` which steps ask it."""

    model: str
    sees: bool
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """`paper` and `code` are what it follows, `gives` the configs of its release, `needs` its models by their names.

    `calls` are completions a sample at most, as long as nothing is dropped; None where only the answers decide.
    """

    name: str
    family: str
    path: Path
    paper: str | None
    code: str | None
    gives: tuple[str, ...]
    needs: Mapping[str, Need]
    calls: int | None


def overview(compiled: Compiled, folder: Path = RECIPES) -> Overview:
    """Sum a compiled recipe up. The family is the folder that it lies in, below `folder`; elsewhere it has none."""
    document = compiled.document
    path = document.path.resolve()
    inside = path.relative_to(folder.resolve()).parent.as_posix() if path.is_relative_to(folder.resolve()) else "."
    return Overview(
        name=document.name,
        family="" if inside == "." else inside,
        path=document.path,
        paper=document.about.paper,
        code=document.about.code,
        gives=tuple(
            name for step in compiled.pipeline.steps if step.type.name == "release" for name in step.config.configs
        ),
        needs={role: _need(compiled.pipeline, role, model.model) for role, model in document.models.items()},
        calls=_calls(compiled.pipeline),
    )


def library(folder: Path = RECIPES) -> Iterator[Overview]:
    """The recipes that come with curate, by family and name."""
    for path in dict.fromkeys(recipe_names(folder).values()):
        yield overview(compile_recipe(str(path)), folder)


def _need(pipeline: Pipeline, role: str, model: str) -> Need:
    asking = [step for step in pipeline.steps if role in step.models]
    asks = [ask_of(step) for step in asking]
    # what asks in code of its own (step scores) puts the question as it was put, and that has its images
    return Need(model, any(ask is None or bool(ask.shown) for ask in asks), tuple(step.name for step in asking))


def _calls(pipeline: Pipeline) -> int | None:
    """Completions a sample at most: rows of each step, times what each of its models is asked about one."""
    made: dict[str, int | None] = {}
    total: int | None = 0
    for step in pipeline.steps:
        rows = _rows(step.node, made) if step.number else 1
        if step.makes is not None:
            made[step.name] = _times(rows, 1 if step.number == 0 else step.type.fan(step.config))
        if step.asks:
            total = _plus(total, _times(rows, _most(step)))
    return total


def _most(step: Step) -> int | None:
    assert step.type.asks is not None
    total: int | None = 0
    for model in step.models:
        total = _plus(total, step.type.asks.bound(step.config, model))
    return total


def _rows(node: Node, made: Mapping[str, int | None]) -> int | None:
    total: int | None = 0
    for maker in node.makers:
        total = _plus(total, made[maker])
    return total


def _plus(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def _times(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a * b

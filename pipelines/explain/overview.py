"""A recipe at a glance: what it gives, what it needs, and how much it asks of each sample, all from what it compiles to."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.compiler.pipeline import Pipeline
from pipelines.job import Compiled, compile_recipe
from pipelines.recipe.library import RECIPES, families, family
from pipelines.steps.as_asked import ask_of
from schemas.errors import ConfigError, nearest


@dataclass(frozen=True)
class Need:
    """A model of a recipe. `sees` says whether any step shows it images, `steps` which steps ask it."""

    model: str
    sees: bool
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What a step asks of a model, by its name in the recipe, for each sample, as long as nothing is dropped.

    `calls` are completions at most, None where only the answers decide; `tokens` the most that one may have, None where
    nothing limits it.
    """

    step: str
    role: str
    calls: int | None
    tokens: int | None


@dataclass(frozen=True)
class Overview:
    """`paper` and `code` are what it follows, `gives` the configs of its release, `needs` its models by their names,
    `sources` by name what each reads, `asks` what it asks of models, in the order of its steps."""

    name: str
    family: str
    path: Path
    paper: str | None
    code: str | None
    gives: tuple[str, ...]
    needs: Mapping[str, Need]
    sources: Mapping[str, str]
    asks: tuple[Asked, ...]

    @property
    def follows(self) -> str:
        """The publication, or where its code is."""
        return self.paper or self.code or ""

    @property
    def calls(self) -> int | None:
        """Completions a sample at most; None where only the answers decide."""
        return sum_or_none(asked.calls for asked in self.asks)

    @property
    def calls_in_words(self) -> str:
        return "varies" if self.calls is None else f"{self.calls:,}"

    @property
    def needs_in_words(self) -> str:
        """How many models look at images, and how many only read: `1 sees, 2 read`."""
        counts = Counter("see" if need.sees else "read" for need in self.needs.values())
        return ", ".join(
            f"{counts[kind]} {kind}{'s' if counts[kind] == 1 else ''}" for kind in ("see", "read") if counts[kind]
        )


def overview(compiled: Compiled, folder: Path = RECIPES) -> Overview:
    """Sum a compiled recipe up. The family is the folder that it lies in, below `folder`; elsewhere it has none."""
    document = compiled.document
    return Overview(
        name=document.name,
        family=family(document.path, folder),
        path=document.path,
        paper=document.about.paper,
        code=document.about.code,
        gives=tuple(
            name for step in compiled.pipeline.steps if step.type.name == "release" for name in step.config.configs
        ),
        needs={role: _need(compiled.pipeline, role, model.model) for role, model in document.models.items()},
        sources={source.name: _where(source) for source in document.sources},
        asks=tuple(_asks(compiled.pipeline)),
    )


def library(only: str | None = None, folder: Path = RECIPES) -> Iterator[Overview]:
    """The recipes that come with curate, of one family where it is named; each is compiled when its turn comes.

    Raises ConfigError for a family that there is none of.
    """
    found = families(folder)
    if only is not None and only not in filter(None, found):
        named = [name for name in found if name]
        raise ConfigError(f"There is no family '{only}'.{nearest(only, named)} There are {', '.join(named)}.")
    for path in (path for name, paths in found.items() if only in (None, name) for path in paths):
        yield overview(compile_recipe(str(path)), folder)


def _need(pipeline: Pipeline, role: str, model: str) -> Need:
    asking = [step for step in pipeline.steps if role in step.models]
    asks = [ask_of(step) for step in asking]
    # what asks in code of its own (step scores) puts the question as it was put, and that has its images
    return Need(model, any(ask is None or bool(ask.shown) for ask in asks), tuple(step.name for step in asking))


def _where(source: Any) -> str:
    path = getattr(source, "path", None)
    return f"{source.type} {path}" if path else str(source.type)


def _asks(pipeline: Pipeline) -> Iterator[Asked]:
    """Completions of each step and model: its rows, times what the model is asked about one."""
    made: dict[str, int | None] = {}
    for step in pipeline.steps:
        rows = sum_or_none(made[maker] for maker in step.node.makers) if step.number else 1
        if step.makes is not None:
            made[step.name] = _times(rows, 1 if step.number == 0 else step.type.fan(step.config))
        if step.type.asks is not None:
            for role in step.models:
                yield Asked(step.name, role, _times(rows, step.type.asks.bound(step.config, role)), step.longest_reply)


def sum_or_none(counts: Iterable[int | None]) -> int | None:
    """Their sum; None where one is unknown."""
    found = list(counts)
    known = [count for count in found if count is not None]
    return sum(known) if len(known) == len(found) else None


def _times(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a * b

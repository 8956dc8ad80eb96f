"""A compiled recipe: its steps in order, each with the columns that it reads and gives, resolved to who gives them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipelines.compiler.columns import Column, Node, Source
from pipelines.compiler.names import Names
from schemas.step import Beside, StepType


@dataclass(frozen=True)
class Neighbours:
    """Rows that a step gets beside its own, and where their columns come from."""

    node: Node
    sources: Mapping[str, Source]
    declared: Beside


@dataclass(frozen=True)
class Step:
    """One step of a pipeline.

    `node` holds the rows that it works on, `unit` is the unit of the rows that it writes: the same, or that which it makes.
    `sources` are the columns of its rows by the names that its body uses, `where` the condition of its section with the
    columns that the condition reads. `before` is what decides it of the steps before it, beside those columns.
    """

    name: str
    number: int
    type: StepType[Any]
    config: Any
    place: str
    node: Node
    sources: Mapping[str, Source] = field(default_factory=dict)
    beside: Mapping[str, Neighbours] = field(default_factory=dict)
    where: Any = None
    where_sources: Mapping[str, Source] = field(default_factory=dict)
    gives: Mapping[str, pl.DataType] = field(default_factory=dict)
    makes: str | None = None
    gold_visible: bool = False
    before: Any = None

    @property
    def unit(self) -> str:
        return self.makes or self.node.unit

    @property
    def asks(self) -> bool:
        """Whether it asks models."""
        return self.type.asks is not None and bool(self.models)

    @property
    def models(self) -> tuple[str, ...]:
        """The recipe's names of the models that it asks."""
        return self.type.asks.models(self.config) if self.type.asks is not None else ()

    @property
    def longest_reply(self) -> int | None:
        """How many tokens a completion that it asks for has at most; None where nothing limits it."""
        asks = self.type.asks
        if asks is None:
            return None
        if asks.longest is not None:
            return asks.longest(self.config, self.before)
        limit = self.config
        for name in asks.limit.split("."):
            limit = getattr(limit, name, None)
        return None if limit is None else int(limit)

    def named_sources(self) -> Iterator[tuple[str, Source]]:
        """Every column that it reads, of its own rows and beside them, by a name that tells where it is read."""
        yield from self.sources.items()
        yield from ((f"where {name}", source) for name, source in self.where_sources.items())
        for beside, neighbours in self.beside.items():
            yield from ((f"{beside} {name}", source) for name, source in neighbours.sources.items())

    def all_sources(self) -> Iterator[Source]:
        """The sources of `named_sources`."""
        return (source for _, source in self.named_sources())

    @property
    def read(self) -> frozenset[Column]:
        """The addresses that it reads."""
        return frozenset(column for source in self.all_sources() for column in source.columns)


@dataclass(frozen=True)
class Pipeline:
    """The steps of a recipe, and every name that they give. `unread` names those that ask for what no later step reads."""

    steps: tuple[Step, ...]
    names: Names
    unread: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {step.name: step for step in self.steps})

    def step(self, name: str) -> Step:
        """Raises KeyError where there is none."""
        found: Step = self._by_name[name]  # type: ignore[attr-defined]
        return found

    def before(self, step: Step) -> tuple[Step, ...]:
        return self.steps[: step.number]

    @property
    def units(self) -> tuple[str, ...]:
        """The units that it makes, samples first."""
        return tuple(self.names.makers)

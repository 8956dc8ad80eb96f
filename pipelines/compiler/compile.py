"""Compile a recipe: resolve every name that its steps read, and refuse what could not mean what its author meant.

What a step reads is compared here, once, with what the steps before it give. The order of work, freshness, the plan, the
funnel, `curate why`, views and the card are derived from the outcome.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import polars as pl

from filters.sql.expression import Condition
from pipelines.compiler.columns import SHORT, Column, NameFault, Node, Source
from pipelines.compiler.names import Names, tainted
from pipelines.compiler.pipeline import Neighbours, Pipeline, Step
from pipelines.compiler.types import Types
from schemas.errors import ConfigError
from schemas.reply_row import REPLY
from schemas.step import Gives, Read, Reads, StepType, reads_of


class Entry(NamedTuple):
    """A step as a recipe writes it: its name, type and section, and its place (`file:line`)."""

    name: str
    type: StepType[Any]
    config: Any
    place: str


class Before:
    """What step types may ask about what is before them (`schemas.step.Known`); out steps also ask for the steps."""

    def __init__(self, names: Names, steps: Sequence[Step]) -> None:
        self._names = names
        self.steps = tuple(steps)

    def node(self, of: str | tuple[str, ...]) -> Node:
        return self._names.node(of)

    def samples(self, of: str | tuple[str, ...]) -> frozenset[str]:
        """The steps that made the samples that rows of `of` are, or belong to."""
        return self._names.samples(self._names.node(of)).makers

    def of_origin(self, of: str | tuple[str, ...], name: str) -> bool:
        """Whether a name reads what only samples have that the samples of `of` were made from."""
        with suppress(NameFault):
            found = self._names.find(self.node(of), tuple(name.split("."))).node
            return found.unit == "sample" and not found.makers & self.samples(of)
        return False

    def own(self, node: Node) -> dict[str, pl.DataType]:
        """The columns that rows have of their own, by short names."""
        return self._names.own(node)

    def edited(self, node: Node, name: str) -> bool:
        """Whether a later step gave rows of `node` a column anew that the steps which made them had given."""
        return any(column.step not in node.makers for column in self._names.columns(node, name))

    def changed_by(self, step: Step) -> str | None:
        """The step that replaced what the columns of `step` depend on, if one did: they are outdated."""
        given = (self._names.facts[column] for column in columns_of(step))
        return next((facts.outdated for facts in given if facts.outdated is not None), None)

    def types(self, of: str | tuple[str, ...]) -> Mapping[str, pl.DataType]:
        return Types(self._names, self._names.node(of))

    def unit(self, of: str | tuple[str, ...]) -> str:
        return self._names.node(of).unit

    def parent(self, unit: str | tuple[str, ...]) -> str:
        above = self._names.above(self._names.node(unit))
        return above[0].unit if above else "sample"

    def parents(self, of: str | tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
        return {node.unit: tuple(sorted(node.makers)) for node in self._names.above(self._names.node(of))}


def compile_steps(entries: Sequence[Entry]) -> Pipeline:
    """The pipeline of a recipe's steps, those that are implied first.

    Raises ConfigError, one sentence with the place and the name of the step, for the first step that reads what nobody
    gives, an ambiguous, outdated or tainted name, or that is in a place where it cannot be.
    """
    names, steps = Names(), list[Step]()
    closed: dict[str, str] = {}
    for entry in entries:
        try:
            step = _step(names, steps, entry)
            _check_order(step, steps, closed)
        except NameFault as fault:
            raise ConfigError(f"{entry.place}: {entry.name}: {fault}") from None
        except ValueError as error:
            raise ConfigError(f"{entry.place}: {entry.name}: {error}") from None
        steps.append(step)
        if entry.type.closes is not None:
            closed[entry.type.closes] = entry.name
    return Pipeline(tuple(steps), names, tuple(_unread(steps)))


def _check_order(step: Step, steps: Sequence[Step], closed: Mapping[str, str]) -> None:
    if not step.type.last and (out := next((s for s in steps if s.type.last), None)):
        raise NameFault(
            f"it comes after '{out.name}', and what goes out is decided by then; move it before '{out.name}'."
        )
    if step.makes is not None and step.makes in closed:
        raise NameFault(
            f"it makes {step.makes} rows after '{closed[step.makes]}', which deals all of them to sides; move it before "
            f"'{closed[step.makes]}'."
        )


def _step(names: Names, steps: Sequence[Step], entry: Entry) -> Step:
    type_, config = entry.type, entry.config
    known = Before(names, steps)
    node = _over(names, entry, known)
    wanted = type_.reads(config, known)
    sources = _resolve(names, node, wanted.rows)
    where = None if getattr(config, "where", None) is None else Condition(config.where)
    where_sources = {} if where is None else _resolve(names, node, reads_of(where.references))
    if where is not None:
        where.type({name: source.dtype for name, source in where_sources.items()})
    beside = {}
    for name, declared in wanted.beside.items():
        found = names.node(declared.of)
        beside[name] = Neighbours(found, _resolve(names, found, declared.reads), declared)
        if declared.gold_free:
            _check_gold_free(names, beside[name])
    gives = type_.gives(config, known)
    _check_unit(names, entry, gives)
    step = Step(
        name=entry.name,
        number=len(steps),
        type=type_,
        config=config,
        place=entry.place,
        node=node,
        sources=sources,
        beside=beside,
        where=where,
        where_sources=where_sources,
        gives=dict(gives.columns),
        makes=gives.makes,
        before=type_.before(config, known),
        gold_visible=not type_.verdict and tainted(names, _all_shown(sources, wanted, beside)),
    )
    golds = frozenset(gives.columns) & type_.golds
    names.give(entry.name, node, gives, step.read, tainted=step.gold_visible, golds=golds)
    return step


def _check_unit(names: Names, entry: Entry, gives: Gives) -> None:
    """The unit that a step makes has a name that nothing else has, and so has the step."""
    unit = gives.makes
    if entry.name in names.makers and unit != entry.name != entry.type.name:
        raise NameFault(f"it does not make the rows of '{entry.name}', which there are before it; choose another `as`.")
    if unit is None or not names.makers:
        return
    if not UNIT.fullmatch(unit) or unit in {"parent", "rows"}:
        raise NameFault(
            f"`makes: {unit[:64]}` is no name of a unit: lower-case letters, digits and _, a letter first, at most 64; not "
            "parent or rows."
        )
    if unit in names.steps and unit not in names.makers:
        raise NameFault(f"`makes: {unit}` is the name of a step before it; choose another.")
    if unit == "sample" and not {"question", "answer", "verifier"} <= gives.columns.keys():
        raise NameFault(
            "`makes: sample`: samples have a question and its gold; make another unit, and `promote` its rows."
        )


UNIT = re.compile(r"[a-z][a-z0-9_]{0,63}")


def _all_shown(sources: Mapping[str, Source], wanted: Reads, beside: Mapping[str, Neighbours]) -> Iterator[Column]:
    """The columns of its rows, and of the rows beside them, that could show a step the gold."""
    yield from _shown(sources, wanted.rows)
    for neighbours in beside.values():
        yield from _shown(neighbours.sources, neighbours.declared.reads)


def _shown(sources: Mapping[str, Source], reads: Mapping[str, Read]) -> Iterator[Column]:
    """The columns that could show a step the gold; of what kind an answer is says nothing of it."""
    for name, source in sources.items():
        if source.path != SHORT["kind"][1:] and not reads[name].unseen:
            yield from source.columns


def _over(names: Names, entry: Entry, known: Before) -> Node:
    """The rows that a step works on."""
    if not names.makers:
        return Node("sample", frozenset())
    if entry.type.over is not None:
        return names.node(entry.type.over(entry.config, known))
    of = entry.config.of or entry.type.of
    if of is None:
        raise NameFault(f"`of` is missing: a unit ({', '.join(names.makers)}) or a step that makes rows.")
    return names.node(of)


def _resolve(names: Names, node: Node, reads: Mapping[str, Read]) -> dict[str, Source]:
    found = {}
    for alias, wanted in reads.items():
        try:
            source = names.find(node, wanted.ref, text=wanted.text)
        except NameFault:
            if wanted.optional and not names.has(node, wanted.ref):
                source = Source(node, own=True, columns=(), dtype=wanted.dtype or pl.Null())
            else:
                raise
        if wanted.dtype is not None and source.dtype != wanted.dtype:
            raise NameFault(f"`{'.'.join(wanted.ref)}` is {source.dtype}, and it reads {wanted.dtype} there.")
        found[alias] = source
    return found


def _check_gold_free(names: Names, counted: Neighbours) -> None:
    """Neither those who made the counted rows may have seen the gold, nor who wrote anew what was judged of them."""
    node = counted.node
    for maker in sorted(node.makers):
        if tainted(names, (c for c in names.facts if c.step == maker and c.unit == node.unit)):
            raise NameFault(f"it counts rows of '{maker}', whose prompt shows the gold; that measures no difficulty.")
    read = {column for source in counted.sources.values() for column in source.columns}
    judged = read.union(*(names.facts[column].depends for column in read))
    replies = sorted(column for column in judged if column.unit == node.unit and column.name in REPLY)
    for column in (c for c in replies if names.facts[c].tainted and names.facts[c].covers & node.makers):
        raise NameFault(
            f"it counts rows whose `{column.name}` '{column.step}' wrote anew, which sees the gold; that measures no "
            "difficulty."
        )


def _unread(steps: Sequence[Step]) -> Iterable[str]:
    """The names of steps that ask models for what no later step reads."""
    for step in steps:
        later = steps[step.number + 1 :]
        used = any(column.step == step.name for other in later for column in other.read)
        rows = step.makes and any(step.name in node.makers for other in later for node in _nodes(other))
        if step.asks and not used and not rows:
            yield step.name


def _nodes(step: Step) -> Iterable[Node]:
    yield step.node
    yield from (neighbours.node for neighbours in step.beside.values())


def columns_of(step: Step) -> list[Column]:
    """The addresses that a step gives."""
    return [Column(step.unit, step.name, name) for name in step.gives]

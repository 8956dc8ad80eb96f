"""What a compiled pipeline is, a line a step, as `curate show` prints it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipelines.compiler.columns import Source
from pipelines.compiler.pipeline import Pipeline, Step

SCOPES = {"row": "", "sample": "all rows of a sample at once", "all": "all rows at once"}
"""What a step has to see at once, in words; nothing where any rows can be computed by themselves."""


@dataclass(frozen=True)
class Line:
    """One step. `reads` are columns by the step that gives them, of its own rows and (`beside`) of rows beside them.

    `rows` are those that it works on: their unit, and the steps that made them where other steps made some too. `most` is
    how many completions of each model a row needs at most; None: as many as its answers call for.
    """

    name: str
    type: str
    rows: str
    makes: str | None
    reads: Mapping[str, tuple[str, ...]]
    beside: Mapping[str, Mapping[str, tuple[str, ...]]]
    gives: Mapping[str, str]
    models: tuple[str, ...]
    most: int | None
    scope: str
    where: str | None
    gold_visible: bool


def outline(pipeline: Pipeline) -> list[Line]:
    """The steps in order, those that are implied among them."""
    return [_line(pipeline, step) for step in pipeline.steps]


def _line(pipeline: Pipeline, step: Step) -> Line:
    asks = step.type.asks
    own = {**step.sources, **{f"where.{name}": source for name, source in step.where_sources.items()}}
    return Line(
        name=step.name,
        type=step.type.name,
        rows=_rows(pipeline, step.node.unit, step.node.makers),
        makes=step.makes,
        reads=_by_giver(own.values()),
        beside=_beside(pipeline, step),
        gives={name: str(dtype) for name, dtype in step.gives.items()},
        models=step.models,
        most=asks.most(step.config) if asks is not None and step.models else 0,
        scope=SCOPES[step.type.scope(step.config)],
        where=getattr(step.config, "where", None),
        gold_visible=step.gold_visible and bool(step.gives),
    )


def _beside(pipeline: Pipeline, step: Step) -> dict[str, dict[str, tuple[str, ...]]]:
    """What it reads beside its own rows, by whose rows they are."""
    found: dict[str, list[Source]] = {}
    for beside in step.beside.values():
        rows = _rows(pipeline, beside.node.unit, beside.node.makers)
        found.setdefault(rows, []).extend(beside.sources.values())
    return {rows: _by_giver(sources) for rows, sources in found.items()}


def _rows(pipeline: Pipeline, unit: str, makers: Iterable[str]) -> str:
    """A unit, or of its rows those that some steps made: `trace`, `trace of distill`."""
    makers = sorted(makers)
    some = makers and set(makers) != set(pipeline.names.makers.get(unit, ()))
    return f"{unit} of {', '.join(makers)}" if some else unit


def _by_giver(sources: Iterable[Source]) -> dict[str, tuple[str, ...]]:
    """The columns by the steps that give them; one that several give, of whom the last that wrote a row counts, as `a|b`."""
    found: dict[str, dict[str, None]] = {}
    for source in sources:
        if source.columns:
            giver = "|".join(dict.fromkeys(column.step for column in source.columns))
            fields = (name.removeprefix("$") for name in source.path if name not in {"raw", "parsed"})
            found.setdefault(giver, {})[".".join((source.columns[0].name, *fields))] = None
    return {giver: tuple(names) for giver, names in found.items()}

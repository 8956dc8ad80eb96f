"""Step types for tests of the compiler and the runner: small, pure, and told what to do by their sections."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from filters.sql.expression import Expression
from pipelines.compiler.compile import Entry, compile_steps
from pipelines.compiler.pipeline import Pipeline
from pipelines.steps.ingest import INGEST
from schemas.ids import content_id
from schemas.split import DROPPED
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, reads_of


class GiveConfig(StepConfig):
    """Columns by expressions; `replaces` names those that take an earlier one's place."""

    columns: Mapping[str, str]
    replaces: tuple[str, ...] = ()


def _parsed(config: GiveConfig) -> dict[str, Expression]:
    return {name: Expression(text) for name, text in config.columns.items()}


def _reads(config: GiveConfig, known: Known) -> Reads:
    return Reads(reads_of(frozenset().union(*(e.references for e in _parsed(config).values()))))


def _gives(config: GiveConfig, known: Known) -> Gives:
    types = known.types(config.of or "sample")
    columns = {
        name: e.type({".".join(r): types[".".join(r)] for r in e.references}) for name, e in _parsed(config).items()
    }
    return Gives(columns, replaces=frozenset(config.replaces))


def _body(tables: Tables, config: GiveConfig, context: Context) -> Out:
    values = {name: e.evaluate(tables.rows).alias(name) for name, e in _parsed(config).items()}
    return Out(tables.rows.select("id").with_columns(**values))


GIVE: StepType[Any] = StepType("give", "gives columns", 1, GiveConfig, _reads, _gives, _body, of="sample")


class MakeConfig(StepConfig):
    """Rows of `makes`: `n` of each row, with a text of their own."""

    makes: str = "trace"
    n: int = 1
    column: str = "text"


def _make(tables: Tables, config: MakeConfig, context: Context) -> Out:
    rows = [
        (content_id([context.name, row, place]), row, f"{row[:4]}-{place}")
        for row in tables.rows["id"]
        for place in range(config.n)
    ]
    return Out(
        pl.DataFrame(rows, schema={"id": pl.String, "parent_id": pl.String, config.column: pl.String}, orient="row")
    )


MAKE: StepType[Any] = StepType(
    "make",
    "makes rows",
    1,
    MakeConfig,
    lambda config, known: Reads(),
    lambda config, known: Gives({config.column: pl.String()}, makes=config.makes),
    _make,
    of="sample",
)


class CutConfig(StepConfig):
    """Drops the rows that meet a condition."""

    when: str


def _cut(tables: Tables, config: CutConfig, context: Context) -> Out:
    gone = tables.rows.filter(Expression(config.when).evaluate(tables.rows).fill_null(False))
    reason = pl.lit(f"{context.name}:cut")
    return Out(None, gone.select("id", reason=reason, evidence=pl.lit("{}")).cast(DROPPED))


CUT: StepType[Any] = StepType(
    "cut",
    "drops rows",
    1,
    CutConfig,
    lambda config, known: Reads(reads_of(Expression(config.when).references)),
    lambda config, known: Gives(),
    _cut,
    of="sample",
)


class BesideConfig(StepConfig):
    """Tables that are kept beside the rows, each of its first ids."""

    tables: Mapping[str, int]


def _beside(tables: Tables, config: BesideConfig, context: Context) -> Out:
    return Out(tables={name: tables.rows.select("id").head(count) for name, count in config.tables.items()})


BESIDE: StepType[Any] = StepType(
    "beside",
    "keeps tables beside the rows",
    1,
    BesideConfig,
    lambda config, known: Reads(),
    lambda config, known: Gives(),
    _beside,
    of="sample",
    scope=lambda config: "all",
)

TYPES = {"give": GIVE, "make": MAKE, "cut": CUT, "beside": BESIDE}


def pipeline(*steps: tuple[str, dict[str, Any]]) -> Pipeline:
    """The pipeline of steps written as `(type, section)`, after `ingest`."""
    entries = [Entry("ingest", INGEST, StepConfig(), "recipe.yaml:1")]
    for place, (name, section) in enumerate(steps, 2):
        type_ = TYPES[name]
        config = type_.config.model_validate(section)
        entries.append(Entry(config.as_ or name, type_, config, f"recipe.yaml:{place}"))
    return compile_steps(entries)

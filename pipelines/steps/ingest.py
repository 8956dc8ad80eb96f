"""The two steps that every recipe begins with: sources become samples, and every gold is put to its own verifier."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
from pydantic import Field

from filters.verify.pool import VerifierPool
from filters.verify.selftest import OtherGolds, add_up, selftest
from pipelines.compiler.columns import Column, Facts
from pipelines.run.reading import SAMPLE_COLUMNS
from pipelines.sources.given import dtypes
from pipelines.sources.section import SourceSection
from schemas.errors import BUG, StepError
from schemas.sample import ANSWER, SOURCE, VERIFIER
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read


def _facts(config: StepConfig, build: Any) -> Any:
    from pipelines.sources.read import fingerprint

    recipe = build.recipe
    return [recipe.limit, recipe.ingest.model_dump(mode="json"), *map(fingerprint, recipe.sources)]


def _not_called(tables: Tables, config: StepConfig, context: Context) -> Out:
    raise StepError(f"Sources are read by the runner. {BUG}")


class IngestConfig(StepConfig):
    """The columns that samples keep of their sources beside those that all have, each with its type."""

    columns: dict[str, Any] = Field(default_factory=dict)


def ingest_config(sources: Iterable[SourceSection]) -> IngestConfig:
    """The section of the step, by the sources. Raises ConfigError where two give a column of one name different types."""
    every = [source.columns for source in sources]
    dtypes(every)
    return IngestConfig(columns={name: type_ for columns in every for name, type_ in columns.items()})


def _gives(config: StepConfig, known: Known) -> Gives:
    own = config.columns if isinstance(config, IngestConfig) else {}
    return Gives({**SAMPLE_COLUMNS, **dtypes([own])}, makes="sample")


_WITHOUT_SIGHT = frozenset(
    ("question", "options", "answer", "media", "source", "verifier", "group_id", "variant", "domain", "lang")
)
"""Columns of samples that put no image into words."""


def describes_images(column: Column, facts: Mapping[Column, Facts]) -> bool:
    """Whether a column may put the images of its sample into words: it was made of them, or its source gave it."""
    if column.step == INGEST.name:
        return column.name not in _WITHOUT_SIGHT
    return any((above.step, above.name) == (INGEST.name, "media") for above in facts[column].depends)


INGEST = StepType(
    name="ingest",
    summary="reads the sources: each row becomes a sample, or a drop with its reason",
    version=2,
    config=StepConfig,
    reads=lambda config, known: Reads(),
    gives=_gives,
    body=_not_called,
    facts=_facts,
    golds=frozenset({"answer"}),
    cures={
        "gold": "look at the source's `answer` column, and at the kind that it is read as",
        "image": "look at the source's image column and at `image_root`",
    },
)


def _others(rows: Iterable[pl.DataFrame], config: StepConfig, context: Context) -> OtherGolds:
    """Golds of all rows, to try each row with."""
    others = OtherGolds(context.seed)
    for some in rows:
        others.add(some)
    return others


def _test(tables: Tables, config: StepConfig, context: Context) -> Out:
    """Put every gold to its own verifier, with what must be right and what must be wrong."""
    pool: VerifierPool = context.verifiers()
    tested = selftest(tables.rows, context.survey, context.seed, pool)
    return Out(None, tested.split.dropped, {"verifiers": tested.counts})


_GOLDS = {
    "source": read("source", SOURCE),
    "options": read("options", pl.List(pl.String())),
    "answer": read("answer", ANSWER),
    "verifier": read("verifier", VERIFIER),
}


SELFTEST = StepType(
    name="selftest",
    summary="puts every gold to its own verifier; drops those that it does not accept",
    version=3,
    config=StepConfig,
    of="sample",
    reads=lambda config, known: Reads(_GOLDS),
    gives=lambda config, known: Gives(),
    body=_test,
    scope=lambda config: "all",
    verdict=True,
    survey=_others,
    gathers={"verifiers": add_up},
)

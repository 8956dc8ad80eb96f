"""Decontaminate: samples that an evaluation set already asks or shows are dropped, and every hit is written down."""

from typing import Any, NamedTuple, Self

import polars as pl
from pydantic import Field, model_validator

from filters.decontaminate.benchmarks import known_benchmarks
from filters.decontaminate.contaminated import DecontaminateConfig as Rule
from filters.decontaminate.contaminated import contaminated, drop_hits
from filters.dedup.content import question_texts
from pipelines.sources.read import check_source, fingerprint
from pipelines.sources.source import Source
from pipelines.steps.evaluation_sets import Named, evaluation_tables, ready, shown, unread
from pipelines.steps.set_context import (
    ImageEncoder,
    SetBuild,
    TextEncoder,
    build_of,
    matrices,
    recall_notes,
    searches_table,
)
from pipelines.steps.vectors import Searches, image_identity, image_vectors, text_identity, text_vectors
from pipelines.store.image_hashes import HashLog, image_shas
from schemas.errors import nearest
from schemas.sample import SAMPLE
from schemas.split import named
from schemas.step import Context, Gives, Known, Out, Reads, StepConfig, StepType, Tables, read

COMPARED = ("question", "options", "answer", "media")


class DecontaminateConfig(StepConfig):
    """Against which evaluation sets, by name or as sources of the recipe, and what counts as a hit."""

    against: tuple[str, ...] = Field(default=(), description="ready entries, such as MathVista or MMMU")
    sources: tuple[Source, ...] = Field(default=(), description="other evaluation sets: files, folders or hub ids")
    rule: Rule = Rule()
    text: TextEncoder | None = Field(default=None, description="encoder of questions; null: meanings are not compared")
    image: ImageEncoder | None = Field(default=None, description="encoder of images, beside that of questions")

    @model_validator(mode="after")
    def _named(self) -> Self:
        for name in self.against:
            if name not in known_benchmarks():
                hint = nearest(name, known_benchmarks())
                raise ValueError(f"no evaluation set '{name}'; there are {', '.join(known_benchmarks())}.{hint}")
        names = [*self.against, *(source.name for source in self.sources)]
        if not names:
            raise ValueError("name evaluation sets in 'against', or give 'sources' of your own")
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two evaluation sets are named '{twice[0]}'")
        if self.image is not None and self.text is None:
            raise ValueError("an image is compared beside its question; name an encoder in 'text' too")
        return self


class _Sets(NamedTuple):
    """The questions of the evaluation sets, and every hit."""

    entries: pl.DataFrame
    hits: pl.DataFrame


def sources_of(config: DecontaminateConfig) -> Named:
    """All sources, each with the name of its evaluation set."""
    return [*ready(config.against), *((source.name, source) for source in config.sources)]


def _found(build: SetBuild, rows: pl.DataFrame, config: DecontaminateConfig, searches: Searches) -> _Sets:
    entries = evaluation_tables(build, sources_of(config), config.image, build.recipe.ingest)
    hashes = HashLog(build.workspace.hashes).hashes(image_shas(rows), build.media)
    with matrices(build) as (text_file, image_file):
        texts = pl.concat([question_texts(rows).select("key", "text"), entries.select("key", "text")])
        by_text = text_vectors(build, config.text, texts, text_file) if config.text else None
        every = pl.concat([image_shas(rows), shown(entries)]).unique().sort()
        by_image = image_vectors(build, config.image, every, image_file) if config.image else None
        hits = contaminated(rows, entries, config.rule, hashes, by_text, by_image, searches.report)
    return _Sets(entries, hits)


def _counts(found: _Sets) -> pl.DataFrame:
    """Of each evaluation set: `benchmark`, its `questions`, and how many of our `rows` hit it."""
    questions = found.entries.group_by("benchmark").agg(questions=pl.len().cast(pl.Int64))
    rows = found.hits.group_by("benchmark").agg(rows=pl.col("id").n_unique().cast(pl.Int64))
    table = questions.join(rows, on="benchmark", how="left").sort("benchmark")
    return table.with_columns(pl.col("rows").fill_null(0))


def _body(tables: Tables, config: DecontaminateConfig, context: Context) -> Out:
    searches = Searches()
    found = _found(build_of(context), tables.rows, config, searches)
    dropped = drop_hits(tables.rows, found.hits, config.rule).dropped
    how = searches_table(searches)
    beside = {"hits": found.hits, "evaluation_sets": _counts(found), "searches": how}
    return Out(None, named(dropped, context.name), beside, recall_notes(how))


def _reads(config: DecontaminateConfig, known: Known) -> Reads:
    return Reads({name: read(name, SAMPLE[name]) for name in COMPARED})


def _check(config: DecontaminateConfig, build: SetBuild) -> None:
    """Evaluation sets that the workspace does not hold yet can be read."""
    for source in unread(build, sources_of(config)):
        check_source(source, build.recipe.ingest.reading)


def _facts(config: DecontaminateConfig, build: SetBuild) -> Any:
    """The state of the evaluation sets' sources and the identities of the encoders; loads none."""
    return [
        [fingerprint(source) for _, source in sources_of(config)],
        text_identity(config.text).to_json() if config.text else None,
        image_identity(build, config.image).to_json() if config.image else None,
    ]


STEP = StepType(
    name="decontaminate",
    summary="drops samples that an evaluation set already asks or shows",
    version=1,
    config=DecontaminateConfig,
    reads=_reads,
    gives=lambda config, known: Gives(),
    body=_body,
    of="sample",
    scope=lambda config: "all",
    check=_check,
    facts=_facts,
)

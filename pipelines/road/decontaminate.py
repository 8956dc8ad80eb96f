"""Decontamination in a build: which evaluation sets, compared by what, and what was found."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from filters.decontaminate.contaminated import contaminated, drop_hits
from filters.dedup.content import question_texts
from pipelines.recipe.sections import DecontaminateSection, Encoders
from pipelines.sources.read import fingerprint
from pipelines.steps.evaluation_sets import Named, evaluation_tables, ready, shown
from pipelines.steps.vectors import Searches, image_identity, image_vectors, scratch, text_identity, text_vectors
from pipelines.store.image_hashes import HashLog, pictures
from schemas.split import Split

if TYPE_CHECKING:
    from pipelines.road.stage import Build


class Found(NamedTuple):
    """Both halves, every hit (schema `HITS`), and the stage's notes."""

    split: Split
    hits: pl.DataFrame
    notes: dict[str, Any]


def encoders(build: "Build") -> Encoders:
    """The section's own encoders, else those of `dedup`."""
    config, dedup = build.recipe.decontaminate, build.recipe.dedup
    if config is None or not config.embeddings:
        return Encoders(None, None)
    text = config.text or (dedup.text if dedup else None)
    image = config.image or (dedup.image if dedup else None)
    return Encoders(text, image if text else None)


def sources_of(config: DecontaminateSection) -> Named:
    """All sources, each with the name of its evaluation set."""
    return [*ready(config.against), *((source.name, source) for source in config.sources)]


def facts(build: "Build") -> list[Any]:
    """What decides the stage's tables beside its section: the state of the sources and the identities of the encoders."""
    config = build.recipe.decontaminate
    if config is None:
        return []
    text, image = encoders(build)
    return [
        [fingerprint(source) for _, source in sources_of(config)],
        text and text_identity(text).to_json(),
        image and image_identity(build, image).to_json(),
    ]


def drop_evaluation_rows(build: "Build", rows: pl.DataFrame, folder: Path) -> Found:
    """Find the rows that an evaluation set already holds and drop them."""
    config = build.recipe.decontaminate
    assert config is not None
    text, image = encoders(build)
    entries = evaluation_tables(build, sources_of(config), image, build.recipe.ingest)
    hashes = HashLog(build.workspace.hashes).hashes(pictures(rows), build.media)
    searches = Searches()
    with scratch(folder) as (text_file, image_file):
        texts = pl.concat([question_texts(rows).select("key", "text"), entries.select("key", "text")])
        by_text = text_vectors(build, text, texts, text_file) if text else None
        every = pl.concat([pictures(rows), shown(entries)]).unique().sort()
        by_image = image_vectors(build, image, every, image_file) if image else None
        hits = contaminated(rows, entries, config.rule, hashes, by_text, by_image, searches.told)
    parted = drop_hits(rows, hits, config.rule)
    return Found(parted, hits, {"evaluation_sets": _counts(entries, hits), "searches": searches.notes()})


def _counts(entries: pl.DataFrame, hits: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Of each evaluation set: its questions, and how many of our rows hit it."""
    questions = entries.group_by("benchmark").agg(questions=pl.len())
    rows = hits.group_by("benchmark").agg(rows=pl.col("id").n_unique())
    table = questions.join(rows, on="benchmark", how="left").sort("benchmark").with_columns(pl.col("rows").fill_null(0))
    return {name: {"questions": asked, "rows": found} for name, asked, found in table.iter_rows()}

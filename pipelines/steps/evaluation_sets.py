"""Evaluation sets in the workspace: read once, kept as texts and hashes, their images and answers thrown away.

    evaluation_sets/<key>-<hash>.parquet      the questions of one source (schema `BENCHMARK`)

The key covers the source's section and data, so a changed file or revision is another table; the hash is that of the table,
and one that is damaged is read from its source again. Where meanings are compared,
the vectors of the images go to the embeddings log while the images are at hand; an encoder that comes later reads the
source again.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter

from filters.decontaminate.benchmarks import BENCHMARK, benchmark_sources, benchmark_table
from filters.dedup.image_hash import HASH_VERSION, image_hashes
from generators.encoders import EncoderConfig, make_image_encoder
from pipelines.ingest.image_file import ImageFaultError
from pipelines.ingest.image_loader import ImageLoader
from pipelines.ingest.ingest import IngestConfig
from pipelines.sources.huggingface import HuggingFaceSource
from pipelines.sources.read import fingerprint, read_rows
from pipelines.sources.section import SourceSection
from pipelines.steps.vectors import Stores, image_identity
from pipelines.store.embeddings import EmbeddingsLog
from pipelines.store.media import MediaStore
from pipelines.store.named_table import is_named, named, put_named
from pipelines.store.scratch import scratch
from pipelines.store.table_files import read_table
from pipelines.store.workspace import store_errors
from schemas.errors import ConfigError
from schemas.ids import content_id
from schemas.sample import SAMPLE

logger = logging.getLogger(__name__)

VERSION = 4
"""Raised when what is stored of an evaluation set changes."""

UNREAD = {"kind": "image"}
"""An image that is there but cannot be read: its question is one about an image all the same."""

Named = Sequence[tuple[str, SourceSection]]
"""Sources, each with the name of the evaluation set that it is a part of."""


def ready(names: Sequence[str]) -> list[tuple[str, SourceSection]]:
    """The sources of ready entries. Raises ConfigError for a name that is none."""
    adapter = TypeAdapter(HuggingFaceSource)
    return [(name, adapter.validate_python(source)) for name in names for source in benchmark_sources(name)]


def evaluation_tables(
    build: Stores, sources: Named, encoder: EncoderConfig | None, limits: IngestConfig | None = None
) -> pl.DataFrame:
    """The questions of all evaluation sets (schema `BENCHMARK`).

    Sources that the workspace does not know yet are read, and so are those whose images have no vector of `encoder` in
    the embeddings log; `limits` says which images are read. Raises ConfigError where one cannot be had.
    """
    bounds = limits or IngestConfig()
    tables = (_table(build, *named, encoder, bounds) for named in sources)
    return pl.concat([pl.DataFrame(schema=BENCHMARK), *tables])


def unread(build: Stores, sources: Named) -> list[SourceSection]:
    """The sources that the workspace does not hold yet."""
    return [source for name, source in sources if _stored(build, _key(name, source)) is None]


def _key(name: str, source: SourceSection) -> str:
    return content_id({"version": [VERSION, HASH_VERSION], "set": name, "source": fingerprint(source)})


def _stored(build: Stores, key: str) -> Path | None:
    """The table that the workspace has of a source, as it was written."""
    return next((path for path in named(build.workspace.evaluation_sets, key) if is_named(path)), None)


def _table(
    build: Stores, name: str, source: SourceSection, encoder: EncoderConfig | None, limits: IngestConfig
) -> pl.DataFrame:
    key, folder = _key(name, source), build.workspace.evaluation_sets
    path = _stored(build, key)
    table = None if path is None else read_table(path)
    if table is None or not _has_vectors(build, table, encoder):
        if damaged := [other for other in named(folder, key) if other != path]:
            logger.warning("%s is damaged, and its source is read again.", damaged[0])
        table = _read(build, name, source, encoder, limits)
        path = put_named(table, folder, key)
    for other in named(folder, key):
        if other != path:
            other.unlink(missing_ok=True)
    return table


def _has_vectors(build: Stores, table: pl.DataFrame, encoder: EncoderConfig | None) -> bool:
    if encoder is None:
        return True
    log = EmbeddingsLog(build.workspace.embeddings)
    return not len(log.missing(image_identity(build, encoder), shown(table)))


def shown(table: pl.DataFrame) -> pl.Series:
    """The distinct sha256 of an evaluation set's images, sorted."""
    images = table.select(pl.col("images").explode(empty_as_null=False)).unnest("images")
    return images["sha256"].drop_nulls().unique().sort()


def _read(
    build: Stores, name: str, source: SourceSection, encoder: EncoderConfig | None, limits: IngestConfig
) -> pl.DataFrame:
    """Read a source with its images in a folder that is gone afterwards."""
    folder = build.workspace.evaluation_sets
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with scratch(folder) as room:
        media = MediaStore(room / "media")
        rows = _samples(source, media, limits)
        if rows.is_empty():
            raise ConfigError(f"The evaluation set '{name}' has no rows in {source.name}: nothing would be kept out.")
        shas = rows.select(pl.col("media").explode(empty_as_null=False)).unnest("media")["sha256"]
        if unread := shas.null_count():
            logger.warning("%s: %d of %d images cannot be read and are not compared", source.name, unread, len(shas))
        images = shas.drop_nulls().unique().sort()
        table = benchmark_table(name, rows, image_hashes(images, media))
        if encoder is not None:
            maker = make_image_encoder(encoder, media)
            log = EmbeddingsLog(build.workspace.embeddings)
            log.vectors(maker.identity, images, list, lambda: maker, room / "image.npy", replay=build.replay)
    return table


def _samples(source: SourceSection, media: MediaStore, limits: IngestConfig) -> pl.DataFrame:
    """All rows of a source as samples, answered or not; an image that cannot be read is one without sha256."""
    parts = [pl.DataFrame(schema=SAMPLE)]
    with ImageLoader(source.image_folders, media, *limits.bounds) as loader:
        for rows in read_rows(source, batch=limits.batch_rows, bounds=limits.reading):
            taken = loader.take([[image] for images in rows["images"].to_list() for image in images or ()])
            found = iter([UNREAD if isinstance(each, ImageFaultError) else each[0].media for each in taken])
            media_of = [[next(found) for _ in images or ()] for images in rows["images"].to_list()]
            records = [
                dict.fromkeys(SAMPLE)
                | {"question": row["question"] or "", "options": row["options"] or [], "source": {"row": row["row"]}}
                | {"id": content_id([source.name, row["row"]]), "media": shown}
                for row, shown in zip(rows.iter_rows(named=True), media_of, strict=True)
            ]
            parts.append(pl.DataFrame(records, schema=SAMPLE))
    return pl.concat(parts)

"""Deduplication in a build: the vectors come from the embeddings log, the rules from `filters.dedup`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from filters.dedup.content import question_texts
from filters.dedup.embedding import drop_near
from filters.dedup.exact import drop_exact
from filters.dedup.vectors import Vectors
from generators.encoders import EncoderConfig, make_image_encoder, make_text_encoder
from pipelines.embeddings import EmbeddingsLog
from pipelines.stage import Build
from schemas.split import Split


def encoder_identities(build: Build) -> list[dict[str, str]]:
    """The identities of the recipe's encoders; loads none."""
    config = build.recipe.dedup
    found = []
    if config and config.text:
        found.append(make_text_encoder(config.text).identity.to_json())
    if config and config.image:
        found.append(make_image_encoder(config.image, build.media).identity.to_json())
    return found


def drop_duplicates(build: Build, rows: pl.DataFrame, folder: Path) -> Split:
    """Exact duplicates first, then those that say and show nearly the same; the best of each stays."""
    config = build.recipe.dedup
    assert config is not None
    exact = drop_exact(rows, config.exact)
    if config.text is None or not exact.kept.height:
        return exact
    try:
        texts = _text_vectors(build, config.text, exact.kept, folder)
        pictures = _image_vectors(build, config.image, exact.kept, folder) if config.image else None
        near = drop_near(exact.kept, texts, pictures, config.near)
    finally:
        for name in ("text.npy", "image.npy"):
            (folder / name).unlink(missing_ok=True)
    return Split(near.kept, pl.concat([exact.dropped, near.dropped]))


def _text_vectors(build: Build, config: EncoderConfig, rows: pl.DataFrame, folder: Path) -> Vectors:
    texts = question_texts(rows).select("key", "text").unique("key").sort("key")
    encoder = make_text_encoder(config)

    def items(keys: Sequence[str]) -> list[Any]:
        wanted = pl.DataFrame({"key": keys}, schema={"key": pl.String})
        return wanted.join(texts, on="key", maintain_order="left")["text"].to_list()

    return _vectors(build, encoder, texts["key"], items, folder / "text.npy")


def _image_vectors(build: Build, config: EncoderConfig, rows: pl.DataFrame, folder: Path) -> Vectors:
    media = rows.select(pl.col("media").explode(empty_as_null=False)).unnest("media")
    keys = media.filter(pl.col("kind") == "image")["sha256"].unique().sort()
    encoder = make_image_encoder(config, build.media)
    return _vectors(build, encoder, keys, list, folder / "image.npy")


def _vectors(build: Build, encoder: Any, keys: pl.Series, items: Any, out: Path) -> Vectors:
    log = EmbeddingsLog(build.workspace.embeddings)
    return log.vectors(encoder.identity, keys, items, lambda: encoder, out, replay=build.replay)

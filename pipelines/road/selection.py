"""The vectors of selection in a build: what coverage and clusters compare, and by which encoders."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from filters.dedup.content import question_texts
from filters.dedup.vectors import Vectors
from filters.select.joint import joint
from pipelines.recipe.sections import reader, select_encoders
from pipelines.steps.vectors import image_identity, image_vectors, scratch, text_identity, text_vectors
from pipelines.store.image_hashes import pictures
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from pipelines.recipe.recipe import Recipe
    from pipelines.road.stage import Build

COLUMNS = ("id", "question", "options", "answer", "media")
"""What `row_vectors` reads."""


def encoder_identities(build: "Build") -> list[dict[str, str]] | None:
    """The identities of the encoders that selection compares by; None where it compares nothing. Loads none."""
    found = select_encoders(build.recipe.select, build.recipe.dedup)
    text = [text_identity(found.text).to_json()] if found.text else []
    image = [image_identity(build, found.image).to_json()] if found.image else []
    return [*text, *image] or None


def check_vectors(recipe: "Recipe") -> None:
    """Raise ConfigError, in a sentence, where selection compares what no encoder embeds."""
    config = recipe.select
    asker = reader(config) if config else None
    if config is None or asker is None:
        return
    found = select_encoders(recipe.select, recipe.dedup)
    wanted = config.vectors.by or (() if found.text or found.image else ("text",))
    for kind in wanted:
        if getattr(found, kind) is None:
            what = {"text": "questions", "image": "pictures"}[kind]
            raise ConfigError(
                f"{asker} compares {what}, so name an encoder in `select.vectors.{kind}` or in `dedup.{kind}`."
            )


def row_vectors(build: "Build", rows: pl.DataFrame, folder: Path) -> Vectors:
    """One vector for each of `rows` (`COLUMNS`), by id; questions and pictures side by side, in memory.

    What no encoder has seen is encoded and logged. Raises StageError where only pictures are compared and there are none.
    """
    if rows.is_empty():
        return Vectors(rows["id"], np.zeros((0, 1), dtype=np.float32))
    text, image = select_encoders(build.recipe.select, build.recipe.dedup)
    picture = pl.element().struct.field("kind").fill_null("image") == "image"
    shown = pl.col("media").fill_null([]).list.eval(pl.element().struct.field("sha256").filter(picture).drop_nulls())
    keys, images = rows.select("id", image_keys=shown), pictures(rows)
    with scratch(folder) as (text_file, image_file):
        by_text = by_image = None
        if text is not None:
            texts = question_texts(rows)
            by_text = text_vectors(build, text, texts, text_file)
            keys = keys.join(texts.select("id", text_key="key"), on="id", how="left", maintain_order="left")
        if image is not None and len(images):
            by_image = image_vectors(build, image, images, image_file)
        return joint(keys, by_text, by_image, build.recipe.select.vectors.text_share if build.recipe.select else 0.5)

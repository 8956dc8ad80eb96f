"""One vector for each sample, of its question, its images or both: what coverage and clusters of `select` compare."""

import numpy as np
import polars as pl
from pydantic import Field

from filters.dedup.content import question_texts
from filters.dedup.vectors import Vectors
from filters.select.joint import joint
from pipelines.steps.set_context import ImageEncoder, SetBuild, TextEncoder, matrices
from pipelines.steps.vectors import image_vectors, text_vectors
from pipelines.store.image_hashes import image_shas
from schemas.section import Section

COLUMNS = ("question", "options", "answer", "media")
"""What `row_vectors` reads, beside `id`."""


class VectorsConfig(Section):
    """What makes two candidates alike, for coverage and for clusters."""

    text: TextEncoder | None = Field(default=None, description="encoder of questions; null: they are not compared")
    image: ImageEncoder | None = Field(default=None, description="encoder of images; null: they are not compared")
    text_share: float = Field(default=0.5, ge=0, le=1, description="weight of the question where both are compared")


def row_vectors(build: SetBuild, rows: pl.DataFrame, config: VectorsConfig) -> Vectors:
    """One vector for each of `rows` (`id` and `COLUMNS`), by id; questions and images side by side, in memory.

    What no encoder has seen is encoded and logged. Raises StepError where only images are compared and there are none.
    """
    if rows.is_empty():
        return Vectors(rows["id"], np.zeros((0, 1), dtype=np.float32))
    image = pl.element().struct.field("kind").fill_null("image") == "image"
    shown = pl.col("media").fill_null([]).list.eval(pl.element().struct.field("sha256").filter(image).drop_nulls())
    keys, images = rows.select("id", image_keys=shown), image_shas(rows)
    with matrices(build) as (text_file, image_file):
        by_text = by_image = None
        if config.text is not None:
            texts = question_texts(rows)
            by_text = text_vectors(build, config.text, texts, text_file)
            keys = keys.join(texts.select("id", text_key="key"), on="id", how="left", maintain_order="left")
        if config.image is not None and len(images):
            by_image = image_vectors(build, config.image, images, image_file)
        return joint(keys, by_text, by_image, config.text_share)

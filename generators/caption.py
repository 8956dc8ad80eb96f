"""Caption: a VLM puts each picture into words, for a reasoner that will never see it.

Rows that share a picture share the prompt, so the model is asked once for a picture whatever the number of questions.
"""

from collections.abc import Iterator

import polars as pl
from pydantic import Field

from generators.outcomes import failure, said
from generators.prompts import conversation, images
from schemas.completion import Request, Sampling
from schemas.section import Section
from schemas.split import Split, split


class CaptionConfig(Section):
    """How pictures are described."""

    model: str = Field(description="a name from `models`")
    system: str | None = None
    prompt: str = "Describe the image."
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=256)


COLUMNS = ("id", "media")


def requests(rows: pl.DataFrame, config: CaptionConfig) -> Iterator[Request]:
    """One request a row with pictures; a row without any has nothing to describe."""
    for row in rows.iter_rows(named=True):
        pictures = images(row)
        if pictures:
            yield Request(row["id"], conversation(config.system, *pictures, config.prompt), config.sampling)


def collect(answers: pl.DataFrame, config: CaptionConfig) -> Split:
    """Captions by sample id: `id, caption`. A cut-off caption may lack what the question asks for, so it is dropped."""
    rows = answers.with_columns(said(answers).str.strip_chars().alias("caption"))
    reason = failure("caption", truncated_drops=True).fill_null(
        pl.when(pl.col("caption") == "").then(pl.lit("caption:empty"))
    )
    parted = split(rows, reason, {"error": pl.col("error"), "tokens": pl.col("completion_tokens")})
    return Split(
        parted.kept.select("id", "caption", pl.col("completion_tokens").alias("caption_tokens")), parted.dropped
    )

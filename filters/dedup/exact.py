"""Exact duplicates: the same question, options, answer and media, up to spelling."""

import polars as pl
from pydantic import Field

from filters.dedup.content import content
from filters.dedup.earlier_release import FIXED, with_former
from filters.dedup.quality import QualityConfig, quality_rank
from filters.dedup.rule import dropped_pairs
from schemas.section import Section
from schemas.split import Split


class ExactConfig(Section):
    """What makes rows exact duplicates, and which of them stays."""

    quality: QualityConfig = Field(default_factory=QualityConfig, description="which duplicate stays")
    match_answer: bool = Field(default=True, description="rows whose gold answers differ are not duplicates")


def drop_exact(rows: pl.DataFrame, config: ExactConfig, former: pl.DataFrame | None = None) -> Split:
    """Keep the best row of each set that says the same thing; drop the others as `dedup:exact`.

    Compared are question, options (in any order), answer and media hashes, in order. `former` holds rows that an
    earlier build kept: they win over every new row, and a row with a former id is never dropped.
    Evidence: `kept` (id of the partner) and `similarity` (1.0).
    """
    pool = with_former(rows, former)
    contents = content(pool).with_columns(pool[FIXED], rank=quality_rank(pool, config.quality))
    keys = ["question", "options", "media", *(["answer"] if config.match_answer else [])]
    order = [~pl.col(FIXED), pl.col("rank")]
    best = contents.select("id", FIXED, kept=pl.col("id").sort_by(order).first().over(keys))
    gone = best.filter((pl.col("kept") != pl.col("id")) & ~pl.col(FIXED)).select("id", "kept")
    return dropped_pairs(rows, gone.with_columns(similarity=pl.lit(1.0)), "dedup:exact")

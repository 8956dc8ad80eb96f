"""Exact duplicates: the same question, options, answer and media, up to spelling."""

import polars as pl
from pydantic import Field

from filters.dedup.content import content
from filters.dedup.quality import QualityConfig, quality_rank
from schemas.section import Section
from schemas.split import Split, split

FIXED = "__fixed"


class ExactConfig(Section):
    """How exact duplicates are told and which of them stays."""

    quality: QualityConfig = Field(default_factory=QualityConfig, description="which duplicate stays")
    match_answer: bool = Field(default=True, description="rows whose gold answers differ are not duplicates")


def drop_exact(rows: pl.DataFrame, config: ExactConfig, former: pl.DataFrame | None = None) -> Split:
    """Keep the best row of each set that says the same thing; drop the others as `dedup:exact`.

    Compared are question, options (in any order), answer and media hashes, in order. `former` holds rows that an
    earlier build kept: they win over every new row, and a row with a former id is never dropped.
    Evidence: `kept` (id of the partner) and `similarity` (1.0).
    """
    pool = with_former(rows, former)
    said = content(pool).with_columns(
        pool[FIXED], rank=quality_rank(pool, config.quality), media=pl.col("media").list.join(",")
    )
    keys = ["question", "options", "media", *(["answer"] if config.match_answer else [])]
    order = [~pl.col(FIXED), pl.col("rank")]
    best = said.select("id", FIXED, kept=pl.col("id").sort_by(order).first().over(keys))
    gone = best.filter((pl.col("kept") != pl.col("id")) & ~pl.col(FIXED)).select("id", "kept")
    marked = rows.join(gone.rename({"kept": "__kept"}), on="id", how="left", maintain_order="left")
    reason = pl.when(pl.col("__kept").is_not_null()).then(pl.lit("dedup:exact"))
    result = split(marked, reason, {"kept": pl.col("__kept"), "similarity": pl.lit(1.0)})
    return Split(result.kept.select(rows.columns), result.dropped)


def with_former(rows: pl.DataFrame, former: pl.DataFrame | None) -> pl.DataFrame:
    """`rows` and the former rows that are not among them, with a column `__fixed` that marks the former ids."""
    if former is None or former.is_empty():
        return rows.with_columns(pl.lit(False).alias(FIXED))
    known = rows.with_columns(pl.col("id").is_in(former["id"].implode()).alias(FIXED))
    others = former.join(rows.select("id"), on="id", how="anti").with_columns(pl.lit(True).alias(FIXED))
    return pl.concat([known, others], how="diagonal_relaxed")

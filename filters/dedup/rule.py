"""What two rows must have in common before any similarity is asked."""

from collections.abc import Sequence

import polars as pl
from pydantic import Field

from filters.dedup.content import content
from filters.dedup.earlier_release import FIXED, with_former
from filters.dedup.quality import QualityConfig, quality_rank
from schemas.section import Section
from schemas.split import Split, split


class Rule(Section):
    """Which differences make two rows different whatever their similarity."""

    match_answer: bool = Field(default=True, description="rows whose gold answers differ are not duplicates")
    match_marks: bool = Field(
        default=True, description="rows whose numbers or contrast words differ are not duplicates"
    )

    @property
    def same(self) -> list[str]:
        """The columns of `contestants` that are equal in every pair of duplicates."""
        return ["kinds", "others", *(["answer"] if self.match_answer else []), *(["marks"] if self.match_marks else [])]


def contestants(
    rows: pl.DataFrame, former: pl.DataFrame | None, same: Sequence[str], quality: QualityConfig
) -> pl.DataFrame:
    """Everything that a level compares, class by class and from best to worst inside a class.

    Columns `id, __fixed, rank, class, question, options, words, images` (hashes, in order). `same` decides the class:
    columns of `filters.dedup.content.content`. Former rows are included, come first and are marked `__fixed`.
    """
    pool = with_former(rows, former)
    contents = content(pool)
    table = contents.with_columns(pool[FIXED], rank=quality_rank(pool, quality))
    table = table.with_columns(pl.struct(*same).rank("dense").alias("class"))
    columns = ["id", FIXED, "rank", "class", "question", "options", "words", "images"]
    return table.select(columns).sort("class", ~pl.col(FIXED), "rank")


def dropped_pairs(rows: pl.DataFrame, gone: pl.DataFrame, reason: str) -> Split:
    """Part `rows` by `gone`: columns `id` (dropped) and the evidence, among it `kept` (the partner)."""
    names = {name: f"__{name}" for name in gone.columns if name != "id"}
    marked = rows.join(gone.rename(names), on="id", how="left", maintain_order="left")
    evidence = {name: pl.col(private) for name, private in names.items()}
    result = split(marked, pl.when(pl.col("__kept").is_not_null()).then(pl.lit(reason)), evidence)
    return Split(result.kept.select(rows.columns), result.dropped)

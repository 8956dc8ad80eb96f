"""Rows that an earlier build kept: compared with, never dropped."""

import polars as pl

FIXED = "__fixed"


def with_former(rows: pl.DataFrame, former: pl.DataFrame | None) -> pl.DataFrame:
    """`rows` and the former rows that are not among them, with a column `__fixed` that marks the former ids."""
    if former is None or former.is_empty():
        return rows.with_columns(pl.lit(False).alias(FIXED))
    known = rows.with_columns(pl.col("id").is_in(former["id"].implode()).alias(FIXED))
    others = former.join(rows.select("id"), on="id", how="anti").with_columns(pl.lit(True).alias(FIXED))
    return pl.concat([known, others], how="diagonal_relaxed")

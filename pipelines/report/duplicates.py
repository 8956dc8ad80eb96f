"""Twins side by side: what deduplication dropped, and the row that it kept instead."""

import polars as pl

from pipelines.report.choice import SEED
from pipelines.report.origin import Origin
from schemas.ids import chance


def twins(origin: Origin, limit: int) -> pl.DataFrame:
    """`id, kept, reason, evidence`: at most `limit` dropped rows with their partners, levels taking turns, by chance."""
    lost = origin.dropped().filter((pl.col("stage") == "dedup") & (pl.col("unit") == origin.sample))
    pairs = lost.select("id", "reason", "evidence", kept=pl.col("evidence").str.json_path_match("$.kept"))
    rows = pairs.drop_nulls("kept").collect()
    turn = pl.col("draw").rank("ordinal").over("reason")
    ordered = rows.with_columns(draw=chance(SEED, rows["id"])).with_columns(turn=turn).sort("turn", "reason")
    return ordered.head(limit).select("id", "kept", "reason", "evidence")

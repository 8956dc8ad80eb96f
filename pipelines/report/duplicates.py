"""Duplicates side by side: what deduplication dropped, and the row that it kept instead."""

import polars as pl

from pipelines.report.choice import SEED
from pipelines.report.origin import Origin
from schemas.ids import chance


def duplicates(origin: Origin, limit: int) -> pl.DataFrame:
    """`id, kept, step, reason, evidence`: at most `limit` drops with what was kept, levels taking turns, by chance."""
    steps = [step["step"] for step in origin.manifest["steps"] if step["type"] == "dedup"]
    lost = origin.dropped().filter(pl.col("step").is_in(steps))
    pairs = lost.select("id", "step", "reason", "evidence", kept=pl.col("evidence").str.json_path_match("$.kept"))
    rows = pairs.drop_nulls("kept").collect()
    turn = pl.col("draw").rank("ordinal").over("reason")
    ordered = rows.with_columns(draw=chance(SEED, rows["id"])).with_columns(turn=turn).sort("turn", "reason")
    return ordered.head(limit).select("id", "kept", "step", "reason", "evidence")

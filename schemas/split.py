"""What a filter returns: the rows it kept, and every row it dropped with a reason and the numbers that decided."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

DROPPED = pl.Schema({"id": pl.String(), "reason": pl.String(), "evidence": pl.String()})


class Split(NamedTuple):
    """`kept` has the input's columns (and maybe new ones); `dropped` is `id, reason = "step:cause", evidence` (JSON)."""

    kept: pl.DataFrame
    dropped: pl.DataFrame


def split(rows: pl.DataFrame, reason: pl.Expr, evidence: Mapping[str, pl.Expr] | None = None) -> Split:
    """Part `rows` by `reason`: null keeps the row, a text drops it. Row order is kept.

    `evidence` names the numbers that decided; they are stored as one JSON object a row.
    """
    marked = rows.with_columns(reason.cast(pl.String).alias("__reason"))
    gone = marked.filter(pl.col("__reason").is_not_null())
    numbers = [expr.alias(name) for name, expr in (evidence or {}).items()]
    shown = pl.struct(numbers).struct.json_encode() if numbers else pl.lit("{}")
    dropped = gone.select("id", pl.col("__reason").alias("reason"), shown.alias("evidence"))
    kept = marked.filter(pl.col("__reason").is_null()).drop("__reason")
    return Split(kept, dropped.cast(DROPPED))


def no_drops() -> pl.DataFrame:
    """The dropped table of a step that keeps everything."""
    return pl.DataFrame(schema=DROPPED)


def named(dropped: pl.DataFrame, name: str) -> pl.DataFrame:
    """Drops whose reasons begin with a step's own name, whatever its rule calls itself."""
    return dropped.with_columns(reason=pl.col("reason").str.replace(r"^[^:]*:", f"{name}:".replace("$", "$$")))

"""RAP's attention-confidence estimator: is a reply built on a token or two that everything after looks back to?

"Truth in the Few" (arXiv 2506.04755), ACE: psi_j(A) = prod over i = j..L of sigma * A_ij, sigma = 2, on the self-attention
of the final layer among a reply's L tokens; a sample with max_j psi_j > 0.1 is discarded. The public code
(Mrshenshen/RAP) does not compute it. What the paper leaves open is a parameter here:

- `span`. Taken literally (`all`), the last token's product is the one factor sigma * A_LL, its look at itself, which passes
  0.1 as soon as A_LL > 0.05. `min` asks for at least `span_tokens` factors (2 by default: one look back by a later token),
  `window` cuts every product after so many. benchmarks/attention_span.py prints what each discards.
- `heads`: see `generators.signals.columns`. The default is `max`, OPERA's way before it scales rows.
- `reduce`: `max` over tokens as published, or `mean_log`, each product as a geometric mean, so that length does not count.
- `rollouts`: which of a sample's replies count.
"""

from collections.abc import Sequence
from math import log
from typing import Any, Literal

import polars as pl
from pydantic import Field

from generators.signals.columns import HEADS, Heads
from schemas.section import Section


class AttentionConfig(Section):
    """How psi is read off the attentions. Only `span: window` and its `span_tokens` make the model compute again."""

    sigma: float = Field(default=2.0, gt=0, description="what each attention is multiplied by")
    span: Literal["min", "window", "all"] = Field(
        default="min", description="products of at least span_tokens factors, of exactly so many, or all (literal)"
    )
    span_tokens: int = Field(default=2, ge=1, description="factors; a shorter reply has the product of all it has")
    heads: Heads = Field(default="max", description="how attention heads are brought together")
    reduce: Literal["max", "mean_log"] = Field(
        default="max", description="largest product of a reply, or largest geometric mean of a product's factors"
    )
    rollouts: Literal["first", "mean", "max"] = Field(
        default="first", description="which replies of a sample count; an empty one has no tokens to read"
    )

    @property
    def window(self) -> int | None:
        """The most factors of a product; None where they run to the end of the reply."""
        return self.span_tokens if self.span == "window" else None


_SUMS: dict[str, pl.DataType] = {heads: pl.List(pl.Float32()) for heads in HEADS}

COLUMN_SUMS = pl.Schema({"length": pl.Int32(), **_SUMS, "error": pl.String()})
"""What the log holds of a reply: its tokens, and for each way of bringing heads together one sum of logs a token."""


def column_sums(found: Sequence[dict[str, list[float]] | str]) -> pl.DataFrame:
    """The rows of `COLUMN_SUMS` for what `ForcedModel.attention` gave."""
    rows: list[dict[str, Any]] = [
        {"error": row} if isinstance(row, str) else {"length": len(row["max"]), **row} for row in found
    ]
    return pl.DataFrame(rows, schema=COLUMN_SUMS)


def log_psi(sums: pl.DataFrame, config: AttentionConfig) -> pl.DataFrame:
    """`key, log_psi` (natural log, Float64) of each reply of `sums` (`key` and `COLUMN_SUMS`); an empty one has none."""
    length = pl.col(config.heads).list.len().cast(pl.Int64)
    tokens = (
        sums.lazy()
        .filter(length > 0)
        .select("key", length.alias("length"), sum=pl.col(config.heads), token=pl.int_ranges(0, length))
        .explode("sum", "token")
        .with_columns(to_end=pl.col("length") - pl.col("token"))
    )
    least = pl.lit(1) if config.span == "all" else pl.min_horizontal(pl.lit(config.span_tokens), "length")
    factors = pl.min_horizontal(pl.lit(config.window or 1 << 40), "to_end")
    product = pl.col("sum").cast(pl.Float64) + factors * log(config.sigma)
    value = product / factors if config.reduce == "mean_log" else product
    counted = tokens.filter(pl.col("to_end") >= least).select("key", log_psi=value)
    return counted.group_by("key").agg(pl.col("log_psi").max()).collect()


def over_rollouts(config: AttentionConfig) -> pl.Expr:
    """The `log_psi` of a sample from those of its replies, in the order of their `index`.

    `mean` is the mean of the psi themselves, taken without leaving the logs.
    """
    found = pl.col("log_psi").sort_by("index").drop_nulls()
    if config.rollouts == "first":
        return found.first()
    if config.rollouts == "max":
        return found.max()
    shifted = pl.when(found.max().is_finite()).then(found - found.max()).otherwise(0.0)
    return found.max() + shifted.exp().mean().log()

"""What a selection reads of its candidates: the numbers that its rule goes by, and what follows from a row's own columns."""

from collections.abc import Mapping

import polars as pl
from pydantic import Field

from filters.select.bands import BandConfig, difficulty_band
from filters.select.clusters import CLUSTER
from schemas.section import Section
from schemas.step import Read, read

MEASURES = (
    "k", "n", "pass_rate", "variance", "mean_score", "score_std", "tokens", "tokens_correct", "truncated", "in_band",
)  # fmt: skip
"""Columns of the step `difficulty` that `k` names."""

PAIRS: Mapping[str, tuple[str, str]] = {
    "k": ("k", "n"),
    "blind": ("k_text", "n_text"),
    "guesses": ("k_guess", "n_guess"),
}
"""Counts and how many there were, as rules call them, by the key that names the step that gives them as `k` and `n`."""

OF_ROW = {"source": "source", "kind": "answer", "form": "answer", "domain": "domain", "lang": "lang"}
"""What follows from a column of the sample."""


class Measured(Section):
    """Whose numbers a rule reads."""

    k: str | None = Field(default=None, description="the step that measured difficulty; null: the only one")
    blind: str | None = Field(default=None, description="the step that counted right answers without the media")
    guesses: str | None = Field(default=None, description="the step that counted right answers without reasoning")
    columns: dict[str, str] = Field(
        default_factory=dict, description="other columns that a rule, a quota or an order reads, by its name for them"
    )

    def address(self, name: str) -> str:
        """The name, as recipes write it, of the column that a rule calls `name`."""
        if name in self.columns:
            return self.columns[name]
        for key, (k, n) in PAIRS.items():
            step = getattr(self, key)
            if step is not None and name in (k, n):
                return f"{step}.{'k' if name == k else 'n'}"
        return f"{self.k}.{name}" if self.k is not None and name in MEASURES else name


def reads(
    names: tuple[str, ...], measured: Measured, optional: tuple[str, ...], known: Mapping[str, pl.DataType]
) -> dict[str, Read]:
    """The reads of the columns `names`, and of those of `optional` that are `known`."""
    wanted = {column for name in names for column in _inputs(name)}
    readable = set(known)  # asking for one that may not be read any more would be refused
    beside = {column for name in optional for column in _inputs(name) if measured.address(column) in readable}
    own = {f"of_{OF_ROW[name]}" for name in (*names, *optional) if name in OF_ROW}
    return {column: read(measured.address(column)) for column in sorted(wanted | beside)} | {
        column: read(column.removeprefix("of_")) for column in sorted(own)
    }


def _inputs(name: str) -> tuple[str, ...]:
    return ("k", "n") if name == "band" else () if name in OF_ROW or name == CLUSTER else (name,)


def with_columns(rows: pl.DataFrame, bands: BandConfig) -> pl.DataFrame:
    """`rows` with `band` and the columns of `OF_ROW`, where their inputs are; counts out of none are null."""
    for k, n in PAIRS.values():
        if k in rows.columns and n in rows.columns:
            rows = rows.with_columns(pl.when(pl.col(n) > 0).then(pl.col(c)).alias(c) for c in (k, n))
    found = {}
    if "k" in rows.columns and "n" in rows.columns:
        found["band"] = difficulty_band(pl.col("k"), pl.col("n"), bands)
    if "of_source" in rows.columns:
        found["source"] = pl.col("of_source").struct.field("dataset")
    if "of_answer" in rows.columns:
        kind = pl.col("of_answer").struct.field("kind")
        found["kind"] = kind
        found["form"] = (
            pl.when(kind == "boolean")
            .then(pl.lit("binary"))
            .when(kind == "choice")
            .then(kind)
            .otherwise(pl.lit("open"))
        )
    found |= {name: pl.col(f"of_{name}") for name in ("domain", "lang") if f"of_{name}" in rows.columns}
    return rows.with_columns(**found)

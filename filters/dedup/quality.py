"""Which of two duplicates stays: a declared order, so that the choice can be read off the rows."""

import polars as pl
from pydantic import Field

from schemas.errors import ConfigError
from schemas.section import Section

_COMPUTED = ("pixels", "source_priority")
_OPTIONAL = ("released", "verified", "n_correct")


class QualityConfig(Section):
    """Best first. Ties fall to the smaller id, so the order is total and the same for any order of rows."""

    by: tuple[str, ...] = Field(
        default=("released", "verified", "n_correct", "pixels", "source_priority"),
        description="columns, larger is better, null worst; pixels and source_priority are computed where no column is; "
        "released: in the latest release",
    )
    sources: tuple[str, ...] = Field(
        default=(), description="datasets, most trusted first; others come after all of them"
    )


def quality_rank(rows: pl.DataFrame, config: QualityConfig) -> pl.Series:
    """The place of each row in the quality order, 0 for the best. Raises ConfigError for a column that is not there."""
    columns = [_column(rows, name, config) for name in config.by]
    keyed = rows.select("id", *[c.alias(f"q{i}") for i, c in enumerate(c for c in columns if c is not None)])
    names = [c for c in keyed.columns if c != "id"]
    order = keyed.with_row_index("place").sort(
        [*names, "id"], descending=[*[True] * len(names), False], nulls_last=True
    )
    ranked = order.select("place", rank=pl.int_range(pl.len(), dtype=pl.Int64))
    return ranked.sort("place")["rank"]


def _column(rows: pl.DataFrame, name: str, config: QualityConfig) -> pl.Expr | None:
    if name in rows.columns:
        return pl.col(name)
    if name == "pixels":
        size = pl.element().struct.field("width").cast(pl.Int64) * pl.element().struct.field("height").cast(pl.Int64)
        return pl.col("media").fill_null([]).list.eval(size).list.sum()
    if name == "source_priority":
        places = {dataset: -float(i) for i, dataset in enumerate(config.sources)}
        last = -float(len(config.sources))
        return pl.col("source").struct.field("dataset").replace_strict(places, default=last, return_dtype=pl.Float64)
    if name in _OPTIONAL:
        return None
    raise ConfigError(
        f"dedup.quality.by names the column '{name}', which the rows do not have. "
        f"Columns: {', '.join(rows.columns)}; computed: {', '.join(_COMPUTED)}."
    )

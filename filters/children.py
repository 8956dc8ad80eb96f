"""Which rows of a deeper unit belong to which rows: by the row that each was made from, else by its sample."""

import polars as pl


def children_of(rows: pl.DataFrame, below: pl.DataFrame) -> pl.DataFrame:
    """`below` (`id, sample_id, parent_id, …`) with `owner`: the id of the row of `rows` (`id`) that each belongs to.

    That is its parent where `rows` holds it, else its sample where `rows` holds that. Rows of others are left out.
    """
    parent, sample = (pl.col(name).is_in(rows["id"].implode()) for name in ("parent_id", "sample_id"))
    owner = pl.when(parent).then("parent_id").when(sample).then("sample_id")
    return below.with_columns(owner=owner).filter(pl.col("owner").is_not_null())

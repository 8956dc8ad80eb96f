"""What a selection did to the data: candidates, selected and the random control side by side."""

import polars as pl

MEANS = ("pass_rate", "variance", "mean_score", "tokens")
SHARES = ("band", "kind", "source")
COLUMNS = (*MEANS, *SHARES)
"""What `compare` can tell of; a column that is not there is passed over."""

SETS = ("candidates", "selected", "control")

SCHEMA = {"figure": pl.String, "value": pl.String, **dict.fromkeys(SETS, pl.Float64)}


def compare(rows: pl.DataFrame, kept: pl.Series, control: pl.Series) -> pl.DataFrame:
    """`figure, value, candidates, selected, control`: counts, means, and shares of each band, kind and source.

    `rows` are the candidates (`id` and any of `COLUMNS`), `kept` and `control` ids. A mean is over the rows that have
    the number, null where none has.
    """
    sets = (rows, *(rows.join(ids.to_frame("id"), on="id", how="semi") for ids in (kept, control)))
    count = [("rows", None, *(float(table.height) for table in sets))]
    means = [(f"mean {name}", None, *(t[name].mean() for t in sets)) for name in MEANS if name in rows.columns]
    parts = [pl.DataFrame([*count, *means], schema=SCHEMA, orient="row")]
    for name in (n for n in SHARES if n in rows.columns):
        table = rows.select(pl.col(name).alias("value")).unique().sort("value", nulls_last=True)
        for label, of in zip(SETS, sets, strict=True):
            share = (pl.len() / max(1, of.height)).alias(label)
            table = table.join(of.group_by(value=name).agg(share), on="value", how="left", nulls_equal=True)
        shares = table.with_columns(pl.col(*SETS).fill_null(0.0), figure=pl.lit(f"share of {name}"))
        parts.append(shares.select(SCHEMA.keys()).cast(SCHEMA))  # type: ignore[arg-type]
    return pl.concat(parts)


def covered(selected: float | None, control: float | None) -> pl.DataFrame:
    """The line of `compare` that tells how near each set comes to the rows that pass the rule, in the mean."""
    return pl.DataFrame([("mean nearness", None, 1.0, selected, control)], schema=SCHEMA, orient="row")

"""Which samples a report shows, where there are more than a page can hold: by chance, with every reason among them."""

import polars as pl

from schemas.ids import chance

SEED = "report"


def choose(rows: pl.DataFrame, limit: int, wanted: pl.Series) -> pl.DataFrame:
    """At most `limit` rows of `pipelines.report.fates.FATES`, in an order of chance.

    First come the rows named in `wanted` (ids), then an equal number of each outcome, source, band and reason, from half
    of the room (at least one while there is room), then whatever chance says. Depends on ids only, so it is the same
    every time.
    """
    drawn = rows.with_columns(draw=chance(SEED, rows["id"]))
    if rows.height > limit:
        labels = _labels(drawn)
        share = max(1, limit // (2 * max(1, labels["label"].n_unique())))
        ranked = labels.with_columns(rank=pl.col("draw").rank("ordinal").over("label"))
        first = ranked.filter(pl.col("rank") <= share).group_by("id").agg(pl.col("rank").min())
        named = pl.DataFrame({"id": wanted, "named": True}, schema={"id": pl.String, "named": pl.Boolean}).unique("id")
        placed = drawn.join(named, on="id", how="left").join(first, on="id", how="left")
        drawn = placed.sort("named", "rank", "draw", nulls_last=True).head(limit)
    return drawn.sort("draw", "id").select(rows.columns)


def _labels(rows: pl.DataFrame) -> pl.DataFrame:
    """`id, draw, label`: a row for each thing that a sample stands for."""
    named = [pl.concat_str(pl.lit(f"{name}="), name) for name in ("outcome", "source", "band")]
    lines = pl.col("drops").str.split("\n")
    parts = [rows.select("id", "draw", label=label) for label in named]
    lost = rows.filter(pl.col("drops") != "").select("id", "draw", label=lines).explode("label")
    return pl.concat([*parts, lost])

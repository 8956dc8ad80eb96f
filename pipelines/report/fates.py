"""What became of every sample, in a row each: enough to count and to filter, and no text."""

import polars as pl

from filters.select.bands import BandConfig, difficulty_band
from pipelines.report.origin import Origin

FATES = pl.Schema(
    {
        "id": pl.String(),
        "outcome": pl.String(),
        "drops": pl.String(),
        "source": pl.String(),
        "band": pl.String(),
        "k": pl.Int32(),
        "n": pl.Int32(),
    }
)
"""`outcome` is a split or `dropped`; `drops` are lines of `stage reason`, of the sample and of its parts, sorted."""

NOT_MEASURED = "not measured"
UNKNOWN = "unknown"
DROPPED = "dropped"
_BESIDE = ("preference", "control", "unfiltered")
"""Configs whose samples stand in others too."""


def fates(origin: Origin) -> pl.DataFrame:
    """One row (schema `FATES`) for each sample that came in, sorted by id.

    A sample stands in a split of the release, or a stage dropped it; a sample in a split may have lost traces, captions
    or rollouts, whose reasons it has too.
    """
    drops = origin.dropped()
    own = drops.filter(pl.col("unit") == origin.sample).select("id", outcome=pl.lit(DROPPED))
    sides = [t.select("id", outcome=pl.lit(name)) for name, t in origin.configs() if name not in _BESIDE]
    ends = pl.concat([own, *sides]).unique("id", keep="first", maintain_order=True)
    line = pl.concat_str("stage", pl.lit(" "), "reason")
    lines = drops.group_by(id="sample_id").agg(drops=line.unique().sort().str.join("\n"))
    rows = ends.join(lines, on="id", how="left").join(_facts(origin), on="id", how="left")
    told = rows.with_columns(
        pl.col("drops").fill_null(""),
        pl.col("source").fill_null(UNKNOWN),
        difficulty_band(pl.col("k"), pl.col("n"), origin.bands).fill_null(NOT_MEASURED),
    )
    return told.select(pl.col(name).cast(kind) for name, kind in FATES.items()).sort("id").collect(engine="streaming")


def band_names(config: BandConfig) -> list[str]:
    """The bands, hardest first."""
    return ["never", *config.ends, "always"]


def census(rows: pl.DataFrame) -> pl.DataFrame:
    """`outcome, source, band, drops, samples`: how many samples of `FATES` have each combination, sorted."""
    keys = ("outcome", "source", "band", "drops")
    return rows.group_by(keys).len("samples").sort(keys)


def _facts(origin: Origin) -> pl.LazyFrame:
    """`id, source, k, n` of every sample of which the release or the build knows them."""
    tables = [t.select("id", source="dataset", k="k", n="n") for _, t in origin.configs()]
    drops = origin.dropped().filter(pl.col("stage") == "ingest")
    lost = drops.select("id", source=pl.col("evidence").str.json_path_match("$.source"))
    found = [*tables, lost]
    if (samples := origin.table("ingest")) is not None:
        named = samples.select("id", source=pl.col("source").struct.field("dataset"))
        measured = origin.table("difficulty")
        own = named if measured is None else named.join(measured.select("id", "k", "n"), on="id", how="left")
        found.insert(0, own)
    return pl.concat(found, how="diagonal_relaxed").unique("id", keep="first", maintain_order=True)

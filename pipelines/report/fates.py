"""What became of every sample, in a row each: enough to count and to filter, and no text."""

import polars as pl

from filters.select.bands import BandConfig, difficulty_band
from pipelines.release.configs import BESIDE
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
"""`outcome` is a config or `dropped`; `drops` are lines of `step reason`, of the sample and of its parts, sorted."""

NOT_MEASURED = "not measured"
UNKNOWN = "unknown"
DROPPED = "dropped"


def fates(origin: Origin) -> pl.DataFrame:
    """One row (schema `FATES`) for each sample that came in, sorted by id.

    A sample is in a config of the release, or a step dropped it; one in a config may have lost traces or rollouts, whose
    reasons it has too.
    """
    drops = origin.dropped()
    own = drops.filter(pl.col("unit") == "sample").select("id", outcome=pl.lit(DROPPED))
    # Samples of these are in other configs too, as those of pairs are.
    beside = {*BESIDE, *(name for name, facts in origin.manifest["configs"].items() if facts["holds"] == "pairs")}
    sides = [t.select("id", outcome=pl.lit(name)) for name, t in origin.configs() if name not in beside]
    ends = pl.concat([own, *sides]).unique("id", keep="first", maintain_order=True)
    line = pl.concat_str("step", pl.lit(" "), "reason")
    lines = drops.group_by(id="sample_id").agg(drops=line.unique().sort().str.join("\n"))
    rows = ends.join(lines, on="id", how="left").join(_facts(origin), on="id", how="left")
    table = rows.with_columns(
        pl.col("drops").fill_null(""),
        pl.col("source").fill_null(UNKNOWN),
        difficulty_band(pl.col("k"), pl.col("n"), origin.bands).fill_null(NOT_MEASURED),
    )
    return table.select(pl.col(name).cast(kind) for name, kind in FATES.items()).sort("id").collect(engine="streaming")


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
    drops = origin.dropped().filter(pl.col("step") == "ingest")
    lost = drops.select("id", source=pl.col("evidence").str.json_path_match("$.source"))
    found = [*tables, lost]
    if (samples := origin.rows("sample", "source", *MEASURED)) is not None:
        counts = {name: name for name in MEASURED if name in samples.collect_schema()}
        found.insert(0, samples.select("id", source=pl.col("source").struct.field("dataset"), **counts))
    return pl.concat(found, how="diagonal_relaxed").unique("id", keep="first", maintain_order=True)


MEASURED = ("k", "n")

"""The numbers behind the report's charts. They are of everything, however few samples the page shows."""

import math

import polars as pl

from filters.select.bands import difficulty_band
from filters.select.comparison import SETS
from pipelines.report.origin import Origin

PER_OCTAVE = 2
"""Bins for each doubling of a length."""


def pass_rates(origin: Origin) -> pl.DataFrame:
    """`model, n, k, band, samples`, as the release's own statistics count them."""
    told = origin.manifest["statistics"]["pass_rates"]
    rows = [{"model": model, **count} for model, counts in told.items() for count in counts]
    schema = {"model": pl.String, "n": pl.Int64, "k": pl.Int64, "samples": pl.Int64}
    return pl.DataFrame(rows, schema=schema).with_columns(difficulty_band(pl.col("k"), pl.col("n"), origin.bands))


def lengths(origin: Origin) -> pl.DataFrame:
    """`what, part, low, high, rows`: histograms of lengths, in bins that double every second step; `low` = 0 is empty.

    Questions and captions in characters, traces in tokens, parted into kept and dropped, rollouts in tokens, parted into
    right, wrong and not scored. Of a release alone, the characters of prompts and completions.
    """
    found = [
        _histogram(what, table)
        for what, table in (
            ("question, characters", _questions(origin)),
            ("caption, characters", _captions(origin)),
            ("trace, tokens", _traces(origin)),
            ("completion, characters", _completions(origin)),
            ("rollout, tokens", _rollouts(origin)),
        )
        if table is not None
    ]
    empty = pl.DataFrame(
        schema={"what": pl.String, "part": pl.String, "low": pl.Float64, "high": pl.Float64, "rows": pl.Int64}
    )
    return pl.concat([empty, *found])


def vision_gain(origin: Origin) -> pl.DataFrame:
    """`k, n, k_text, n_text, samples`: right answers with the picture against right answers to the text alone.

    No rows where the build has no `checks` tables.
    """
    schema = dict.fromkeys(("k", "n", "k_text", "n_text", "samples"), pl.Int64)
    table = origin.table("checks")
    if table is None or not {"k", "n", "k_text", "n_text"} <= set(table.collect_schema()):
        return pl.DataFrame(schema=schema)
    keys = ("k", "n", "k_text", "n_text")
    known = table.filter((pl.col("n") > 0) & (pl.col("n_text") > 0))
    return known.group_by(keys).len("samples").sort(keys).collect().cast(schema)  # type: ignore[arg-type]


def mean_gain(counts: pl.DataFrame) -> float | None:
    """The mean of k/n - k_text/n_text over samples: what the picture is worth. None where nothing was counted."""
    if not counts.height:
        return None
    gain = (pl.col("k") / pl.col("n") - pl.col("k_text") / pl.col("n_text")) * pl.col("samples")
    return float(counts.select(gain.sum() / pl.col("samples").sum()).item())


def selection(origin: Origin) -> pl.DataFrame:
    """`figure, value, candidates, selected, control`, as the manifest tells it; no rows where nothing was selected."""
    schema = {"figure": pl.String, "value": pl.String, **dict.fromkeys(SETS, pl.Float64)}
    return pl.DataFrame(origin.manifest.get("selection", []), schema=schema)


def _histogram(what: str, table: pl.LazyFrame) -> pl.DataFrame:
    """Rows of `table` (`length, part`) by bin."""
    bin_ = pl.when(pl.col("length") > 0).then((pl.col("length").log(2.0) * PER_OCTAVE + 1e-9).floor()).otherwise(-1)
    counted = table.drop_nulls("length").group_by("part", bin=bin_.cast(pl.Int64)).len("rows").sort("part", "bin")
    rows = [
        (what, part, 0.0 if at < 0 else _edge(at), 1.0 if at < 0 else _edge(at + 1), count)
        for part, at, count in counted.collect(engine="streaming").iter_rows()
    ]
    schema = {"what": pl.String, "part": pl.String, "low": pl.Float64, "high": pl.Float64, "rows": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _edge(at: int) -> float:
    return round(math.pow(2, at / PER_OCTAVE), 2)


def _questions(origin: Origin) -> pl.LazyFrame | None:
    table = origin.table("ingest")
    if table is not None:
        return table.select(length=pl.col("question").str.len_chars(), part=pl.lit("all"))
    found = [t for name, t in origin.configs() if name in ("unfiltered", "holdout")] or [t for _, t in origin.configs()]
    asked = pl.col("prompt").list.last().struct.field("content").str.len_chars()
    rows = [t.select("id", length=asked) for t in found]
    return pl.concat(rows).unique("id").select("length", part=pl.lit("all")) if rows else None


def _captions(origin: Origin) -> pl.LazyFrame | None:
    table = origin.table("caption")
    return None if table is None else table.select(length=pl.col("caption").str.len_chars(), part=pl.lit("all"))


def _traces(origin: Origin) -> pl.LazyFrame | None:
    table = origin.table("distill")
    if table is None:
        return None
    of_traces = pl.col("unit").is_in(["trace", "traces", "verdicts", "answers"])
    lost = origin.dropped().filter(of_traces).select("id", gone=pl.lit(True))
    told = table.select("id", length="tokens").join(lost.unique("id"), on="id", how="left")
    return told.select("length", part=pl.when(pl.col("gone")).then(pl.lit("dropped")).otherwise(pl.lit("kept")))


def _completions(origin: Origin) -> pl.LazyFrame | None:
    table = origin.config("sft")
    text = pl.col("completion").list.first().struct.field("content")
    return None if table is None else table.select(length=text.str.len_chars(), part=pl.lit("in the release"))


def _rollouts(origin: Origin) -> pl.LazyFrame | None:
    table = origin.table("score")
    if table is None:
        return None
    right = pl.col("correct")
    if (judged := origin.table("judge_rollouts")) is not None:
        table = table.join(judged.select("id", judged="correct"), on="id", how="left")
        right = pl.coalesce("correct", "judged")
    part = pl.when(right).then(pl.lit("right")).when(~right).then(pl.lit("wrong")).otherwise(pl.lit("not scored"))
    return table.select(length="tokens", part=part)

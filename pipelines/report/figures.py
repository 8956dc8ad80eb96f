"""The numbers behind the report's charts. They are of everything, however few samples the page shows."""

import math

import polars as pl

from filters.select.bands import difficulty_band
from filters.select.comparison import SETS
from pipelines.report.origin import Origin

MEASURES = ("tokens", "characters")
PER_OCTAVE = 2
"""Bins for each doubling of a length."""


def pass_rates(origin: Origin) -> pl.DataFrame:
    """`model, n, k, band, samples`, as the release's own statistics count them."""
    rates = origin.manifest["statistics"]["pass_rates"]
    rows = [{"model": model, **count} for model, counts in rates.items() for count in counts]
    schema = {"model": pl.String, "n": pl.Int64, "k": pl.Int64, "samples": pl.Int64}
    return pl.DataFrame(rows, schema=schema).with_columns(difficulty_band(pl.col("k"), pl.col("n"), origin.bands))


def lengths(origin: Origin) -> pl.DataFrame:
    """`what, part, low, high, rows`: histograms of lengths, in bins that double every second step; `low` = 0 is empty.

    Questions and captions in characters; traces, split into kept and dropped, and rollouts, split into
    right, wrong and not scored, in tokens, or in characters where they came without a count. Of a release alone, the
    characters of prompts and completions.
    """
    found = [
        _histogram(what, table)
        for what, table in (
            ("question, characters", _questions(origin)),
            ("caption, characters", _captions(origin)),
            *((f"trace, {measure}", _traces(origin, measure)) for measure in MEASURES),
            ("completion, characters", _completions(origin)),
            *((f"rollout, {measure}", _rollouts(origin, measure)) for measure in MEASURES),
        )
        if table is not None
    ]
    empty = pl.DataFrame(
        schema={"what": pl.String, "part": pl.String, "low": pl.Float64, "high": pl.Float64, "rows": pl.Int64}
    )
    return pl.concat([empty, *found])


def vision_gain(origin: Origin) -> pl.DataFrame:
    """`k, n, k_text, n_text, samples`: right answers with the image against right answers to the text alone.

    No rows where no step of the build checked that.
    """
    schema = dict.fromkeys(("k", "n", "k_text", "n_text", "samples"), pl.Int64)
    keys = ("k", "n", "k_text", "n_text")
    table = origin.rows("sample", *keys)
    if table is None or not set(keys) <= set(table.collect_schema()):
        return pl.DataFrame(schema=schema)
    known = table.filter((pl.col("n") > 0) & (pl.col("n_text") > 0))
    return known.group_by(keys).len("samples").sort(keys).collect().cast(schema)  # type: ignore[arg-type]


def mean_gain(counts: pl.DataFrame) -> float | None:
    """The mean of k/n - k_text/n_text over samples: what the image is worth. None where nothing was counted."""
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
    table = origin.rows("sample", "question")
    if table is not None:
        return table.select(length=pl.col("question").str.len_chars(), part=pl.lit("all"))
    found = [t for name, t in origin.configs() if name in ("unfiltered", "holdout")] or [t for _, t in origin.configs()]
    asked = pl.col("prompt").list.last().struct.field("content").str.len_chars()
    rows = [t.select("id", length=asked) for t in found]
    return pl.concat(rows).unique("id").select("length", part=pl.lit("all")) if rows else None


def _captions(origin: Origin) -> pl.LazyFrame | None:
    table = origin.rows("sample", "caption")
    if table is None or "caption" not in table.collect_schema():
        return None
    return table.select(length=pl.col("caption").str.len_chars(), part=pl.lit("all"))


def _traces(origin: Origin, measure: str) -> pl.LazyFrame | None:
    table = origin.rows("trace", "tokens", "text")
    if table is None:
        return None
    lost = origin.dropped().filter(pl.col("unit") == "trace").select("id", gone=pl.lit(True))
    rows = table.select("id", length=_length(measure)).join(lost.unique("id"), on="id", how="left")
    return rows.select("length", part=pl.when(pl.col("gone")).then(pl.lit("dropped")).otherwise(pl.lit("kept")))


def _completions(origin: Origin) -> pl.LazyFrame | None:
    text = pl.col("completion").list.first().struct.field("content")
    tables = [
        t.select(length=text.str.len_chars(), part=pl.lit("in the release")) for t in origin.holding("completions")
    ]
    return pl.concat(tables) if tables else None


def _rollouts(origin: Origin, measure: str) -> pl.LazyFrame | None:
    table = origin.rows("rollout", "tokens", "text", "correct")
    if table is None or "correct" not in table.collect_schema():
        return None
    right = pl.col("correct")
    part = pl.when(right).then(pl.lit("right")).when(~right).then(pl.lit("wrong")).otherwise(pl.lit("not scored"))
    return table.select(length=_length(measure), part=part)


def _length(measure: str) -> pl.Expr:
    """Tokens, or the characters of replies whose tokens nobody counted."""
    if measure == "tokens":
        return pl.col("tokens")
    return pl.when(pl.col("tokens").is_null()).then(pl.col("text").str.len_chars())

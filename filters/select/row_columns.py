"""What follows from the columns of a candidate: its band, source, kind and form, and which numbers are evidence."""

import polars as pl

from filters.select.bands import BandConfig, difficulty_band

OF_ROW = {"source": "source", "kind": "answer", "form": "answer", "gold": "answer", "domain": "domain", "lang": "lang"}
"""What follows from a column of the sample."""

ENOUGH = "enough"
"""The column by which a `difficulty` says that enough rollouts counted."""


def with_columns(rows: pl.DataFrame, bands: BandConfig) -> pl.DataFrame:
    """`rows` with `band` (of each student) and the columns of `OF_ROW`, where their inputs are.

    Numbers of too few rollouts are null, as are counts out of none: they are no evidence, whichever way they point.
    """
    guarded = [name for name in rows.columns if f"{ENOUGH}:{name}" in rows.columns]
    rows = rows.with_columns(pl.when(pl.col(f"{ENOUGH}:{c}").fill_null(True)).then(pl.col(c)).alias(c) for c in guarded)
    counts = [(k, f"n{k[1:]}") for k in rows.columns if k == "k" or k.startswith("k_")]
    found = {}
    for k, n in counts:
        if n in rows.columns:
            rows = rows.with_columns(pl.when(pl.col(n) > 0).then(pl.col(c)).alias(c) for c in (k, n))
            found[f"band{k[1:]}"] = difficulty_band(pl.col(k), pl.col(n), bands)
    if "of_source" in rows.columns:
        found["source"] = pl.col("of_source").struct.field("dataset")
    if "of_answer" in rows.columns:
        found |= _of_answer(pl.col("of_answer"))
    found |= {name: pl.col(f"of_{name}") for name in ("domain", "lang") if f"of_{name}" in rows.columns}
    return rows.with_columns(**found)


def _of_answer(answer: pl.Expr) -> dict[str, pl.Expr]:
    """`kind`, `form`, and `gold`: which of the few answers that the kind has (true, false, letters), else null."""
    kind, parsed = answer.struct.field("kind"), answer.struct.field("parsed")
    binary, choice = kind == "boolean", kind == "choice"
    letters = parsed.str.json_path_match("$.letters").str.replace_all(r'[\[\]"\s]', "")
    return {
        "kind": kind,
        "form": pl.when(binary).then(pl.lit("binary")).when(choice).then(kind).otherwise(pl.lit("open")),
        "gold": pl.when(binary).then(parsed.str.json_path_match("$.value")).when(choice).then(letters),
    }

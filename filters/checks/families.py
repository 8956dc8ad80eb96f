"""Families of questions: those of one source and answer kind that differ only in words which are answers elsewhere.

"Is there a red shape?" and "Is there a blue shape?" are one family, because "red" and "blue" are golds or options of
their source (letters, yes and no are not counted as such). What is known of a single question (one gold, one guess) is
never enough to tell a lucky guess from an answer that the text gives away; what is known of its family is.
"""

import polars as pl

MOST_WORDS = 3
"""Golds and options of more words than this are sentences, not words to leave out."""
_WORD = r"[\p{L}\p{N}]+"


def families(samples: pl.DataFrame, smallest: int) -> pl.DataFrame:
    """`id, family, wide, dataset, kind` of samples (`id, dataset, kind, question, options, gold`).

    `family` is dataset, kind and template where at least `smallest` samples share it, else `wide`: dataset and kind.
    """
    blanked = _templates(samples)
    wide = pl.concat_str("dataset", pl.lit(" / "), "kind")
    rows = samples.select("id", "dataset", "kind").with_columns(blanked, wide=wide)
    narrow = pl.concat_str("wide", pl.lit(" / "), "template")
    return rows.with_columns(
        family=pl.when(pl.len().over("wide", "template") >= smallest).then(narrow).otherwise("wide")
    ).select("id", "family", "wide", "dataset", "kind")


def _templates(samples: pl.DataFrame) -> pl.Series:
    """Each question in lower case, with `_` for every word that is an open gold or an option in its source."""
    golds = samples.filter(~pl.col("kind").is_in(["choice", "boolean"]))
    golds = golds.select("dataset", word=pl.col("gold").str.to_lowercase())
    offered = samples.select("dataset", word=pl.col("options")).explode("word").drop_nulls()
    phrases = pl.concat([golds, offered.with_columns(pl.col("word").str.to_lowercase())])
    words = (
        phrases.with_columns(pl.col("word").str.extract_all(_WORD))
        .filter(pl.col("word").list.len().is_between(1, MOST_WORDS))
        .explode("word")
        .unique()
        .with_columns(known=pl.lit(True))
    )
    asked = (
        samples.select("id", "dataset", word=pl.col("question").str.to_lowercase().str.extract_all(_WORD))
        .with_row_index("row")
        .explode("word")
        .with_row_index("place")
    )
    masked = asked.join(words, on=["dataset", "word"], how="left").sort("place")
    text = pl.when(pl.col("known")).then(pl.lit("_")).otherwise(pl.col("word").fill_null(""))
    return (
        masked.with_columns(text=text)
        .group_by("row", maintain_order=True)
        .agg(pl.col("text").str.join(" "))
        .sort("row")["text"]
        .alias("template")
    )

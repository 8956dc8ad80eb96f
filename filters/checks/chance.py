"""What a guess is worth: the declared rate at which an answer without any look at the image is right."""

import math

import polars as pl

from schemas.answer import BooleanAnswer, ChoiceAnswer, load_answer


def chance_rates(samples: pl.DataFrame) -> pl.DataFrame:
    """`id, chance` of samples (`id, dataset, kind, gold, parsed, options`).

    A choice of one among n options: 1/n, of m among n: 1/C(n, m). A truth value: 1/2, m of them: 1/2^m. All else: the
    share of the most common gold among the samples of its source and kind, which is what an always equal answer earns.
    """
    common = pl.len().over("dataset", "kind", "word") / pl.len().over("dataset", "kind")
    rows = samples.with_columns(word=pl.col("gold").str.to_lowercase().str.strip_chars()).with_columns(share=common)
    rows = rows.with_columns(most=pl.col("share").max().over("dataset", "kind"))
    closed = [
        _closed(kind, parsed, len(options or ()))
        for kind, parsed, options in rows.select("kind", "parsed", "options").iter_rows()
    ]
    declared = pl.Series("declared", closed, dtype=pl.Float64)
    return rows.select("id", "most").with_columns(declared).select("id", chance=pl.coalesce("declared", "most"))


def _closed(kind: str, parsed: str, options: int) -> float | None:
    if kind == "choice" and options > 1:
        answer = load_answer(parsed)
        letters = len(answer.letters) if isinstance(answer, ChoiceAnswer) else 1
        return 1 / math.comb(options, min(letters, options - 1))
    if kind == "boolean":
        answer = load_answer(parsed)
        return 0.5 ** (len(answer.values) if isinstance(answer, BooleanAnswer) else 1)
    return None

"""What can become of a request, as drop reasons: said once for all stages that ask models."""

import polars as pl

from schemas.reply import said_in


def failure(stage: str, *, truncated_drops: bool) -> pl.Expr:
    """Null for a usable completion, else `stage:unanswered`, `stage:error` or `stage:truncated`.

    `unanswered` means that the model could not be reached for this row; the next build asks again.
    """
    finish = pl.col("finish_reason")
    chain = (
        pl.when(finish.is_null())
        .then(pl.lit(f"{stage}:unanswered"))
        .when(finish == "error")
        .then(pl.lit(f"{stage}:error"))
    )
    if truncated_drops:
        chain = chain.when(finish == "length").then(pl.lit(f"{stage}:truncated"))
    return chain.otherwise(pl.lit(None, dtype=pl.String))


def said(answers: pl.DataFrame) -> pl.Series:
    """What each reply says after its thinking; empty where that never ended, null without a reply."""
    return pl.Series("said", [None if text is None else said_in(text) for text in answers["text"]], dtype=pl.String)

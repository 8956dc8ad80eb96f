"""The contract of rows that hold a model's reply (REPLY): traces, rollouts, critiques, and what else a recipe makes."""

import polars as pl

REPLY = pl.Schema(
    {
        "model": pl.String(),
        "index": pl.Int32(),
        "text": pl.String(),
        "reasoning": pl.String(),
        "final": pl.String(),
        "summary": pl.String(),
        "thinking": pl.Boolean(),
        "finish_reason": pl.String(),
        "tokens": pl.Int32(),
        "gold_visible": pl.Boolean(),
    }
)
"""What every such row has beside its ids and the columns of the step's own `reply`.

`model` is the recipe's name of the model, `index` which sample of its request this is. `text` is all of the reply, with
the prefix that it was made to begin with. It is read as `reasoning` (its thought), `final` (its answer; null where it
gives none), `summary` (what it says beside them) and `thinking` (whether it marks its thought). `finish_reason` is `stop`
or `length`; `error` or null in a row that was kept although its reply could not be had. It and `tokens` are those of the
reply itself, before it was made to conclude; tokens are null where a server did not count. `gold_visible` says whether
the model was shown the gold, or a text by a model that was.
"""

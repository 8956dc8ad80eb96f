"""Does the reward that a release ships say of a logged rollout what curation said of it? And is k of n what was counted?

Three things part a verdict from what the reward pays for the same text, each by a rule that stands in the row:

- a reply that was cut off (`finish_reason` is `length`) counts as `difficulty.truncated` says, whatever its text is worth:
  the reward is shown texts alone;
- where a judge decided (`tier` is `judge`), the reward, which asks no judge, gives None;
- where time or memory ran out (`tier` is `timeout` or `crash`), curation knows nothing, so whatever the reward says is fine.
"""

from collections.abc import Sequence

import polars as pl

from filters.difficulty import DifficultyConfig, outcome

VERDICTS = ("right", "wrong", "unscored")
"""What a rollout counts as: k are the right ones, n the right and the wrong ones."""
_SAME = 1e-9
_OPEN = ("timeout", "crash")


def verdict(config: DifficultyConfig) -> pl.Expr:
    """What a rollout (`finish_reason`, `correct`) counts as."""
    counts, words = outcome(config.truncated), [pl.lit(word) for word in VERDICTS]
    return pl.when(counts).then(words[0]).when(~counts).then(words[1]).otherwise(words[2])


def reason() -> pl.Expr:
    """Why it counts so: that it was cut off, or what the verifier or judge said (`finish_reason`, `explanation`)."""
    cut = pl.col("finish_reason") == "length"
    return pl.when(cut).then(pl.lit("the reply was cut off")).otherwise("explanation")


def disagreements(
    rollouts: pl.DataFrame, paid: Sequence[float | None], thresholds: Sequence[float], config: DifficultyConfig
) -> pl.DataFrame:
    """The rollouts of which the reward says something else, with `paid`, what it gives.

    `rollouts` is `finish_reason, verdict, score, tier, …`; `paid` and `thresholds` (from which score on an answer is right)
    go with its rows.
    """
    told = rollouts.with_columns(
        pl.Series("paid", paid, dtype=pl.Float64), pl.Series("threshold", thresholds, dtype=pl.Float64)
    )
    judged, known = pl.col("tier") == "judge", ~pl.col("tier").is_in(_OPEN)
    counts = verdict(config).alias("counts")
    told = told.with_columns(correct=pl.col("paid") >= pl.col("threshold") - _SAME).with_columns(counts)
    same = (pl.col("paid") - pl.col("score")).abs() < _SAME
    neither = pl.col("paid").is_null() & pl.col("score").is_null()
    agree = (same.fill_null(False) | neither) & (pl.col("counts") == pl.col("verdict"))
    fine = pl.when(judged).then(pl.col("paid").is_null()).when(known).then(agree).otherwise(True)
    return told.filter(~fine).select(*rollouts.columns, "paid")


def count(rollouts: pl.LazyFrame) -> pl.LazyFrame:
    """`id, model, k, n` from rollouts (`sample_id, model, verdict`): right ones, and those that count."""
    right, wrong = (pl.col("verdict") == word for word in VERDICTS[:2])
    counted = {"k": right.sum().cast(pl.Int32), "n": (right | wrong).sum().cast(pl.Int32)}
    return rollouts.group_by(pl.col("sample_id").alias("id"), "model").agg(**counted)


def miscounted(rows: pl.LazyFrame, counts: pl.LazyFrame) -> pl.LazyFrame:
    """The measured rows (`id, model, k, n, …`) whose k of n is not what their rollouts come to (`counted_k, counted_n`)."""
    told = counts.rename({"k": "counted_k", "n": "counted_n"})
    found = rows.filter(pl.col("n").is_not_null()).join(told, on=["id", "model"], how="left")
    apart = (pl.col(name).ne_missing(pl.col(f"counted_{name}")) for name in ("k", "n"))
    return found.filter(pl.any_horizontal(*apart))

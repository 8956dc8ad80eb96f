"""Does the reward of a release give a logged rollout the verdict that curation gave it? And is k of n what was counted?

Four things make a verdict differ from what the reward pays for the same text, each by a rule that the row holds:

- a reply that was cut off (`verdict` is `truncated`) counts as `difficulty.truncated` says, whatever its text is worth: the
  reward is shown texts alone;
- a reply that holds no readable answer (`no_answer`) gets 0, and counts as `difficulty.no_answer` says;
- where a judge decided (`tier` is `judge`), the reward, which asks no judge, gives None, and the row says right or wrong;
- where time or memory ran out (`tier` is `timeout` or `crash`), it may not elsewhere, so whatever the reward says is fine;
  but such a reply is never right.

Whoever decided, a rollout counts as its score says, and nothing that is null agrees.
"""

from collections.abc import Sequence

import polars as pl

from filters.difficulty import VERDICTS, DifficultyConfig, outcome, verdict
from filters.verify.verifiers import TOLERANCE

_OPEN = ("timeout", "crash")


def reason() -> pl.Expr:
    """Why it counts so: cut off, or the explanation of the verifier or judge (`finish_reason`, `explanation`)."""
    cut = pl.col("finish_reason") == "length"
    return pl.when(cut).then(pl.lit("the reply was cut off")).otherwise("explanation")


def decided(rollouts: pl.DataFrame, by: str) -> pl.DataFrame:
    """The rollouts, of which those that no rule could tell and `by` did have the tier `judge`, a score of 1 or 0, and
    `by` as their explanation. `correct` is what counts; `score`, `tier` and `explanation` are those of the rule.
    """
    known = ~pl.col("tier").is_in(_OPEN).fill_null(False)
    judged = known & pl.col("score").is_null() & pl.col("correct").is_not_null()
    judgement = {"tier": pl.lit("judge"), "score": pl.col("correct").cast(pl.Float64), "explanation": pl.lit(by)}
    return rollouts.with_columns(
        pl.when(judged).then(value).otherwise(name).alias(name) for name, value in judgement.items()
    )


def disagreements(
    rollouts: pl.DataFrame, paid: Sequence[float | None], thresholds: Sequence[float], config: DifficultyConfig
) -> pl.DataFrame:
    """The rollouts of which the reward says something else, with `paid`, what it gives.

    `rollouts` is `finish_reason, verdict, correct, score, tier, …`; `paid` and `thresholds` (the least score of a right
    answer) go with its rows.
    """
    graded = rollouts.with_columns(
        pl.Series("paid", paid, dtype=pl.Float64), pl.Series("threshold", thresholds, dtype=pl.Float64)
    )
    judged, open_, score = pl.col("tier") == "judge", pl.col("tier").is_in(_OPEN), pl.col("score")
    decides = pl.when(judged | open_).then(score).otherwise("paid")
    graded = graded.with_columns(no_answer=pl.col("verdict") == "no_answer", counted="correct")
    graded = graded.with_columns(correct=decides >= pl.col("threshold") - TOLERANCE)
    graded = graded.with_columns(verdict().alias("named"), outcome(config).alias("correct"))
    counts = (pl.col("named") == pl.col("verdict")) & pl.col("correct").eq_missing(pl.col("counted"))
    same = (pl.col("paid") - score).abs() < TOLERANCE
    neither = pl.col("paid").is_null() & score.is_null()
    agree = (
        pl.when(judged)
        .then(pl.col("paid").is_null() & score.is_in([0.0, 1.0]))
        .when(open_)
        .then(score.is_null() | (score == 0.0))
        .otherwise(same.fill_null(False) | neither)
    )
    fine = graded.select((agree & counts).fill_null(False)).to_series()
    return rollouts.with_columns(graded["paid"]).filter(~fine)


def incoherent(rollouts: pl.LazyFrame, config: DifficultyConfig) -> pl.LazyFrame:
    """The rollouts (`verdict, correct, …`) that do not count as their own verdict does, whoever gave it."""
    counted = {name: config.counts(name) for name in VERDICTS}
    stated = pl.col("verdict").replace_strict(counted, default=None, return_dtype=pl.Boolean)
    known = pl.col("verdict").is_in([*VERDICTS]).fill_null(False)
    return rollouts.filter(~known | stated.ne_missing(pl.col("correct")))


def count(rollouts: pl.LazyFrame) -> pl.LazyFrame:
    """`id, model, k, n` from rollouts (`sample_id, model, correct`): right ones, and those that count."""
    counted = {"k": pl.col("correct").sum().cast(pl.Int32), "n": pl.col("correct").count().cast(pl.Int32)}
    return rollouts.group_by(pl.col("sample_id").alias("id"), "model").agg(**counted)


def miscounted(rows: pl.LazyFrame, counts: pl.LazyFrame) -> pl.LazyFrame:
    """The rows (`id, model, k, n, …`) whose k of n is not what their rollouts come to (`counted_k, counted_n`).

    A row without k and n has no rollouts that count. One without a model was asked nothing, such as a row of another side
    than that of the rollouts, which `unmeasured: keep` kept.
    """
    counted = counts.rename({"k": "counted_k", "n": "counted_n"})
    asked = pl.any_horizontal(pl.col("model", "n").is_not_null())
    found = rows.filter(asked).join(counted, on=["id", "model"], how="left", nulls_equal=True)
    apart = (pl.col(name).fill_null(0) != pl.col(f"counted_{name}").fill_null(0) for name in ("k", "n"))
    return found.filter(pl.any_horizontal(*apart))

"""Difficulty: how often a named model gets a question right, as counts with error bars.

Counts, never rates, are what is stored and compared: 0.8 - 0.6 > 0.2 holds in floating point while 0.4 - 0.2 > 0.2 does
not. Missing evidence is not evidence: a rollout that was cut off, or that holds no answer that can be read, says little
about how hard its question is. Both are counted apart from wrong answers, and by default neither counts towards n; a
recipe that follows a paper which calls them wrong says so.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, get_args

import polars as pl
from pydantic import Field, PositiveInt

from filters.intervals import beta_interval, pass_at, wilson
from schemas.adaptive import BetaPrior
from schemas.section import Section
from schemas.split import Split, split

Counted = Literal["wrong", "unscored"]
"""What a rollout counts as that gave no answer: a wrong answer (in n), or no evidence (not in n)."""

RolloutVerdict = Literal["right", "wrong", "no_answer", "truncated", "unscored"]
"""What one rollout came to. `no_answer`: it ended by itself and holds nothing that can be read as an answer of the gold's
kind; `truncated`: it was cut off, whatever it holds; `unscored`: neither a rule nor the judge could tell."""


class DifficultyConfig(Section):
    """What counts."""

    truncated: Counted = Field(
        default="unscored", description="a rollout that was cut off: a wrong answer, or no evidence"
    )
    no_answer: Counted = Field(
        default="unscored", description="a rollout that holds no readable answer: a wrong answer, or no evidence"
    )
    min_n: PositiveInt | None = Field(
        default=None, description="fewer rollouts that count are too few; null: half of those that were asked for"
    )
    z: float = Field(default=1.96, gt=0, description="normal quantile of the intervals; 1.96 is 95 %")
    prior: BetaPrior = Field(default=BetaPrior(), description="of the Beta interval; Jeffreys' by default")
    pass_at: tuple[PositiveInt, ...] = Field(
        default=(4, 8), description="the k of the pass@k columns; null where n < k"
    )

    def counts(self, verdict: str) -> bool | None:
        """What a rollout of that verdict counts as: right, wrong, or null for no evidence."""
        if verdict in {"right", "wrong"}:
            return verdict == "right"
        ruled: Counted = getattr(self, verdict, "unscored")
        return False if ruled == "wrong" else None


VERDICTS: tuple[RolloutVerdict, ...] = get_args(RolloutVerdict)
APART = ("no_answer", "truncated", "unscored")
"""The verdicts that are counted apart from right and wrong."""
BY = ("sample_id", "model")


def is_unread() -> pl.Expr:
    """Whether a rule called a reply wrong because it holds nothing that can be read as an answer (columns of `VERDICT`)."""
    return pl.col("correct").eq(False).fill_null(False) & pl.col("parsed_response").is_null()


def verdict_of(finish: str | None, correct: bool | None, unread: bool) -> RolloutVerdict:
    """`verdict`, of one rollout."""
    if finish == "length":
        return "truncated"
    if correct is None:
        return "unscored"
    return "right" if correct else "no_answer" if unread else "wrong"


def verdict() -> pl.Expr:
    """What each rollout (`finish_reason, correct, no_answer`) came to: one of `VERDICTS`."""
    return (
        pl.when(pl.col("finish_reason") == "length")
        .then(pl.lit("truncated"))
        .when(pl.col("correct").is_null())
        .then(pl.lit("unscored"))
        .when(pl.col("correct"))
        .then(pl.lit("right"))
        .when(pl.col("no_answer"))
        .then(pl.lit("no_answer"))
        .otherwise(pl.lit("wrong"))
    )


def outcome(config: DifficultyConfig) -> pl.Expr:
    """What each rollout (`finish_reason, correct, no_answer`) counts as: true, false, or null for no evidence."""
    counted = {name: config.counts(name) for name in VERDICTS}
    return verdict().replace_strict(counted, return_dtype=pl.Boolean)


def least(config: DifficultyConfig) -> pl.Expr:
    """How many of the rollouts asked for (`asked`) must count, lest they are too few."""
    return pl.lit(config.min_n) if config.min_n is not None else (pl.col("asked") + 1) // 2


def enough(config: DifficultyConfig) -> pl.Expr:
    """Whether so many rollouts count (`asked, n`) that k of n says something."""
    return (pl.col("n") > 0) & (pl.col("n") >= least(config))


def measure(rollouts: pl.DataFrame, config: DifficultyConfig, by: Sequence[str] = BY) -> pl.DataFrame:
    """Counts from scored rollouts (`sample_id, model, finish_reason, correct, no_answer, score, tokens`), a row a group.

    Returns `id` (the sample's) and the rest of `by`, then

    - `k, n` right out of those that count; of all that were `asked`, how many were `no_answer`, `truncated`, `unscored`;
    - `pass_rate` = k/n with the Wilson interval `low, high`, and the Beta posterior's `beta_low, beta_high, beta_mean`;
    - `variance` = p(1-p), `variance_unbiased` = k(n-k)/(n(n-1)), and `pass_at_<t>` for each t of the config;
    - for scores that are no mere right or wrong: `mean_score`, `score_std` (divided by n, Temporal-R1's spread) and
      `score_variance_unbiased` (divided by n - 1);
    - `tokens`, the mean length of a reply (the complexity of NeuraLadder, arXiv 2505.12432), and `tokens_correct`, that
      of the right ones (VL-Cogito's target length, arXiv 2507.22607).

    `n` is 0 where nothing could be scored; what divides by it is then null. Sorted by id and the rest of `by`.
    """
    name, right = verdict(), outcome(config)
    score = pl.when(name.is_in(["right", "wrong"])).then("score").when(right.is_not_null()).then(0.0)
    keys = [pl.col(name).alias("id") if name == "sample_id" else pl.col(name) for name in by]
    counts = rollouts.group_by(keys).agg(
        right.sum().cast(pl.Int32).alias("k"),
        right.count().cast(pl.Int32).alias("n"),
        pl.len().cast(pl.Int32).alias("asked"),
        *((name == apart).sum().cast(pl.Int32).alias(apart) for apart in APART),
        score.mean().alias("mean_score"),
        score.std(ddof=0).alias("score_std"),
        score.var(ddof=1).alias("score_variance_unbiased"),
        pl.col("tokens").mean().alias("tokens"),
        pl.col("tokens").filter(right).mean().alias("tokens_correct"),
    )
    names = [name.replace("sample_id", "id") for name in by]
    return _with_rates(counts, config).sort(names)


def _with_rates(counts: pl.DataFrame, config: DifficultyConfig) -> pl.DataFrame:
    k, n = pl.col("k"), pl.col("n")
    p = k / n
    low, high = wilson(config.z)
    rates = {
        "pass_rate": p,
        "low": low,
        "high": high,
        "variance": p * (1 - p),
        "variance_unbiased": k * (n - k) / (n * (n - 1)),
        **{f"pass_at_{tries}": pass_at(tries) for tries in config.pass_at},
    }
    table = counts.with_columns(**{name: rate.fill_nan(None) for name, rate in rates.items()})
    return beta_interval(table, 2 * NormalDist().cdf(config.z) - 1, config.prior)


def drop_unmeasured(samples: pl.DataFrame, measured: pl.DataFrame, config: DifficultyConfig) -> Split:
    """Join samples (`id, …`) with their counts and keep those of which enough rollouts count.

    Reasons: `difficulty:unmeasured` (none counts), `difficulty:too_few` (fewer than `config.min_n`).
    """
    rows = samples.join(measured, on="id", how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("n").fill_null(0) == 0)
        .then(pl.lit("difficulty:unmeasured"))
        .when(~enough(config))
        .then(pl.lit("difficulty:too_few"))
    )
    return split(rows, reason, {name: pl.col(name) for name in ("asked", "n", *APART)})

"""What a rule is: a config, a pure function that judges candidates, and the columns it reads."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import polars as pl

How = Literal["top", "weighted", "mixture"]
"""How a budget is spent: the highest values, a draw by value without replacement, or MMR1's mixture."""


MEASURES = (
    "k", "n", "pass_rate", "variance", "mean_score", "score_std", "tokens", "tokens_correct", "truncated", "in_band",
)  # fmt: skip
"""Columns of a `difficulty`: what rules read of a student, by the names that they call it."""

OF_STUDENT = (*MEASURES, "band")
"""What differs between students."""


def any_count(config: Any, n: int) -> tuple[int, int] | None:
    """The window of a rule that has none."""
    return 0, n


class Rule(NamedTuple):
    """A rule as the catalogue lists it.

    `judge(rows, config, seed)` returns one row a candidate: `id`, `value` (Float64, more is better; not null where `cause`
    is), `cause` (null: passes; else why not, as in `select:<cause>`), optionally `weight` (Float64, what a
    trainer multiplies the row by), and the numbers that decided, which become evidence. `columns(config)` names what it
    reads beside `id`; it never sees a row in which one of them is null, for such a row drops as `select:unmeasured`.
    `how` is how the rule's source spends a budget. `window(config, n)` is the least and greatest number of right rollouts
    out of n that may pass, or None where the rule counts in a way that no such band stands for.
    """

    judge: Callable[[pl.DataFrame, Any, int], pl.DataFrame]
    columns: Callable[[Any], tuple[str, ...]]
    how: How = "top"
    window: Callable[[Any, int], tuple[int, int] | None] = any_count


def reads(*columns: str) -> Callable[[Any], tuple[str, ...]]:
    """The same columns whatever the config."""
    return lambda config: columns


PASS_RATE = pl.col("k") / pl.col("n")
"""p = c / N. For values only: a window compares counts, see `filters.select.rules.share`."""


def scaled(variance: pl.Expr) -> pl.Expr:
    """A variance over a row's own n rollouts (divided by n), made comparable with those of rows with another n.

    Over n draws the mean of the plug-in variance is (n-1)/n of the true one, so a sample of which three replies count
    would rank below an equal one of which eight do. Where all rows have the same n, as in every published rule, nothing
    changes, to the last bit; one reply shows no variance.
    """
    n, most = pl.col("n"), pl.col("n").max()
    return pl.when(n > 1).then(variance * ((n * (most - 1)) / ((n - 1) * most))).otherwise(0.0)


VARIANCE = scaled(PASS_RATE * (1 - PASS_RATE))
"""p(1-p), comparable between rows of different n."""

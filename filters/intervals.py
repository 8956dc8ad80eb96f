"""How sure k right of n are: intervals for a pass rate, and the chance that more rollouts would have shown."""

import polars as pl

from schemas.adaptive import BetaPrior


def wilson(z: float) -> tuple[pl.Expr, pl.Expr]:
    """Both ends of the Wilson score interval for columns `k` and `n`; `z` is the normal quantile, 1.96 for 95 %.

    Wilson 1927, JASA 22; Brown, Cai & DasGupta 2001, Statistical Science 16, section 3.1.1. It always holds k/n, and both
    ends rise with k. Null or NaN where n is 0.
    """
    p, n, z2 = pl.col("k") / pl.col("n"), pl.col("n"), z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = (z / (1 + z2 / n)) * (p * (1 - p) / n + z2 / (4 * n * n)).sqrt()
    # The exact ends are 0 and 1 at k = 0 and k = n; rounding must not step over them.
    return (centre - half).clip(0.0, 1.0), (centre + half).clip(0.0, 1.0)


def beta_interval(counts: pl.DataFrame, level: float, prior: BetaPrior) -> pl.DataFrame:
    """`counts` (`k`, `n`, …) with the equal-tailed posterior interval `beta_low, beta_high` and mean `beta_mean`.

    The posterior of the pass rate is Beta(alpha + k, beta + n - k). At k = 0 the lower end is 0 and at k = n the upper
    is 1 (Brown, Cai & DasGupta 2001, section 3.1.3), so that Jeffreys' interval always holds k/n; with a prior
    that is far from the data it need not. Equal counts are worked out once, so a million rows cost a join.
    """
    from scipy.special import betaincinv

    pairs = counts.select("k", "n").unique().filter(pl.col("n") > 0)
    k, n = pairs["k"].to_numpy().astype(float), pairs["n"].to_numpy().astype(float)
    a, b, tail = prior.right + k, prior.wrong + n - k, (1 - level) / 2
    ends = pairs.with_columns(
        pl.Series("beta_low", betaincinv(a, b, tail), dtype=pl.Float64),
        pl.Series("beta_high", betaincinv(a, b, 1 - tail), dtype=pl.Float64),
        pl.Series("beta_mean", a / (a + b), dtype=pl.Float64),
    ).with_columns(
        beta_low=pl.when(pl.col("k") == 0).then(0.0).otherwise("beta_low"),
        beta_high=pl.when(pl.col("k") == pl.col("n")).then(1.0).otherwise("beta_high"),
    )
    return counts.join(ends, on=["k", "n"], how="left", maintain_order="left")


def pass_at(tries: int) -> pl.Expr:
    """The unbiased estimate of pass@`tries` from columns `k` (right) and `n`: 1 - C(n-k, tries) / C(n, tries).

    Chen et al. 2021, arXiv 2107.03374, equation 1, in the product form of their figure 3. Null where n < tries.
    """
    n, wrong = pl.col("n").cast(pl.Int64), (pl.col("n") - pl.col("k")).cast(pl.Int64)
    none_right = pl.lit(1.0)
    for drawn in range(tries):
        none_right = none_right * (wrong - drawn).clip(lower_bound=0) / (n - drawn)
    return pl.when(n >= tries).then(1.0 - none_right)

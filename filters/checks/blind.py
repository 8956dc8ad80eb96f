"""Which questions does their text answer? A right blind answer counts only where it cannot have been a guess.

Rollouts of one question are not independent guesses: a model that always says "no" is right 8 times of 8 or never. So the
number of trials is the number of *questions*, not of rollouts. In a family of m questions (source, kind, template), h
have a blind majority that is right; A is the one-sided lower bound of h/m. If a share s of the family is answered
by the text and the rest is guessed at the declared rate c, then A = s + (1 - s)c, and a right blind answer is no guess with
probability s/A. From `certain` on, the right ones are called blind. At c = 1/2 and 0.9 that takes A >= 0.909: a
language prior that is right in 88 % of "Is there a …?" questions makes none of them blind.

A question that shares its wording with too few others has no such family, and is tested by itself: the exact binomial
test of its own answers against chance, at a false discovery rate of `alpha` over all such questions (Benjamini and Hochberg
1995, JRSS B 57, theorem 1). That bound takes rollouts for independent guesses. What they are not is seen in the answers
that are wrong: the questions of the source and kind that were answered blind at least as surely, rightly or wrongly,
are its family, so that a model which is sure of its guesses accuses nobody.
"""

import numpy as np
import polars as pl

from filters.checks.rules import CheckRules
from filters.checks.significance import above_chance, benjamini_hochberg, lower_bound


def blind(rows: pl.DataFrame, rules: CheckRules) -> pl.DataFrame:
    """Flag questions that their text answers.

    `rows` is `id, k, n, wrong, chance, p_value, family, wide`, k right of n without the image, and the most common wrong
    answer `wrong` times. Returns `id, blind, certainty, family`: `certainty` is that of the surest family that counts, null
    where the majority was wrong; `family` is the one that decided.
    """
    hit = (pl.col("k") * 2 > pl.col("n")) & (pl.col("n") > 0)
    rows = rows.with_columns(hit=hit)
    if rules.blind == "binomial":
        by_itself = pl.col("hit") & (pl.col("p_value") <= rules.alpha)
        return rows.select("id", blind=by_itself, certainty=1 - pl.col("p_value"), family="family")
    for name in ("family", "wide"):
        sure = _certainty(rows, name, rules.alpha)
        rows = rows.join(sure.rename({"sure": f"{name}_sure"}), on=name, how="left", maintain_order="left")
    rows = rows.join(_by_itself(rows, rules.alpha), on="id", how="left", maintain_order="left")
    certainty = pl.max_horizontal("family_sure", "wide_sure", "own_sure")
    decided = pl.when(pl.col("wide_sure") > pl.col("family_sure")).then("wide").otherwise("family")
    return rows.select(
        "id",
        blind=pl.col("hit") & (certainty >= rules.certain),
        certainty=pl.when("hit").then(certainty),
        family=decided,
    )


def _certainty(rows: pl.DataFrame, family: str, alpha: float) -> pl.DataFrame:
    """`family, sure`: how surely a right blind answer of the family was no guess."""
    of = _counted(rows.filter(pl.col("n") > 0), family)
    return of.select(family, sure=_no_guess(of, alpha))


def _by_itself(rows: pl.DataFrame, alpha: float) -> pl.DataFrame:
    """`id, own_sure` of questions without a template family whose own test holds: the certainty of those as sure as they."""
    alone = rows.filter((pl.col("family") == pl.col("wide")) & (pl.col("n") > 0))
    k, wrong, n = (alone[name].to_numpy().astype("int64") for name in ("k", "wrong", "n"))
    chance = alone["chance"].to_numpy()
    alone = alone.with_columns(
        own=pl.Series(benjamini_hochberg(above_chance(k, n, chance)), dtype=pl.Float64),
        odds=pl.Series(above_chance(np.maximum(k, wrong), n, chance), dtype=pl.Float64),
    )
    as_sure = _counted(alone, "wide", "odds").sort("wide", "odds")
    as_sure = as_sure.with_columns(pl.col("hits", "m", "chances").cum_sum().over("wide"))
    sure = as_sure.select("wide", "odds", own_sure=_no_guess(as_sure, alpha))
    found = alone.filter(pl.col("own") <= alpha).join(sure, on=["wide", "odds"], how="left", maintain_order="left")
    return found.select("id", "own_sure")


def _counted(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """`hits` of `m` questions, and the sum of their chances."""
    sums = {"hits": pl.col("hit").sum().cast(pl.Int64), "m": pl.len().cast(pl.Int64), "chances": pl.col("chance").sum()}
    return rows.group_by(*by, maintain_order=True).agg(**sums)


def _no_guess(of: pl.DataFrame, alpha: float) -> pl.Series:
    """s/A, from 0 to 1, of each row of `_counted`."""
    low = pl.lit(pl.Series("low", lower_bound(of["hits"].to_numpy(), of["m"].to_numpy(), alpha)))
    c = pl.col("chances") / pl.col("m")
    sure = pl.when((low > 0) & (c < 1)).then((low - c) / (1 - c) / low).otherwise(0.0)
    return of.select(sure=sure.clip(0.0, 1.0))["sure"]

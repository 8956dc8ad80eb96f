"""Which questions does their text answer? A right blind answer counts only where it cannot have been a guess.

Rollouts of one question are not independent guesses: a model that always says "no" is right 8 times of 8 or never. So the
number of trials is the number of *questions*, not of rollouts. In a family of m questions (source, kind, template), h
have a blind majority that is right; A is the one-sided lower bound of h/m. If a share s of the family is answered
by the text and the rest is guessed at the declared rate c, then A = s + (1 - s)c, and a right blind answer is no guess with
probability s/A. From `certain` on, the right ones are called blind. At c = 1/2 and 0.9 that takes A >= 0.909: a
language prior that is right in 88 % of "Is there a …?" questions makes none of them blind.
"""

import polars as pl

from filters.checks.rules import CheckRules
from filters.checks.significance import lower_bound


def blind(rows: pl.DataFrame, rules: CheckRules) -> pl.DataFrame:
    """Flag questions that their text answers.

    `rows` is `id, k, n, chance, p_value, family, wide`, k right of n without the image. Returns `id, blind,
    certainty, family`: `certainty` is that of the surer one of the question's template and its whole source and kind, null
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
    certainty = pl.max_horizontal("family_sure", "wide_sure")
    decided = pl.when(pl.col("wide_sure") > pl.col("family_sure")).then("wide").otherwise("family")
    return rows.select(
        "id",
        blind=pl.col("hit") & (certainty >= rules.certain),
        certainty=pl.when("hit").then(certainty),
        family=decided,
    )


def _certainty(rows: pl.DataFrame, family: str, alpha: float) -> pl.DataFrame:
    """`family, sure`: how surely a right blind answer of the family was no guess."""
    counted = rows.filter(pl.col("n") > 0)
    of = counted.group_by(family, maintain_order=True).agg(
        hits=pl.col("hit").sum().cast(pl.Int64), m=pl.len().cast(pl.Int64), c=pl.col("chance").mean()
    )
    low = pl.Series("low", lower_bound(of["hits"].to_numpy(), of["m"].to_numpy(), alpha))
    share = (pl.col("low") - pl.col("c")) / (1 - pl.col("c"))
    sure = pl.when((pl.col("low") > 0) & (pl.col("c") < 1)).then(share / pl.col("low")).otherwise(0.0)
    return of.with_columns(low).select(family, sure=sure.clip(0.0, 1.0))

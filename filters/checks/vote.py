"""Self-consistency and suspect labels: what the rollouts agree on, and whether that speaks against the gold.

Self-consistency is Wang et al. 2022 (arXiv 2203.11171). Answers are one if the verifier accepts both as the gold, or if it
read the same from both. A clear majority against the gold means a wrong label only where the student is usually
right: in a family in which clear majorities often miss the gold, it is the student that errs.
"""

import polars as pl

from filters.checks.rules import CheckRules
from filters.checks.significance import beats, benjamini_hochberg


def votes(rollouts: pl.DataFrame) -> pl.DataFrame:
    """`id, answers, majority, majority_share, margin, gold_share, majority_is_gold` by sample.

    `rollouts` is `sample_id, correct, extracted, parsed_response`. `answers` counts those that came to one; `margin` is
    the majority's share less the runner-up's. Ties go to the gold, then to the first in the alphabet. `majority_is_gold` is
    null where nobody could tell: unscored is not wrong.
    """
    read = pl.coalesce("parsed_response", "extracted").str.to_lowercase().str.strip_chars()
    right = pl.col("correct").fill_null(False)
    classes = (
        rollouts.filter(pl.col("extracted").is_not_null())
        .select(
            "correct", id="sample_id", right=right, answered=pl.when(right).then(pl.lit("")).otherwise(read), shown=read
        )
        .group_by("id", "answered", "right")
        .agg(count=pl.len().cast(pl.Int32), shown=pl.col("shown").min(), gold=pl.col("correct").max())
        .sort("id", "count", "right", "answered", descending=[False, True, True, False])
    )
    total = pl.col("count").sum()
    second = pl.col("count").get(1, null_on_oob=True).fill_null(0)
    return classes.group_by("id", maintain_order=True).agg(
        answers=total,
        majority=pl.col("shown").first(),
        majority_share=pl.col("count").first() / total,
        margin=(pl.col("count").first() - second) / total,
        gold_share=(pl.col("count") * pl.col("right")).sum() / total,
        majority_is_gold=pl.col("gold").first(),
    )


def suspects(voted: pl.DataFrame, rules: CheckRules) -> pl.DataFrame:
    """Add `p_vote, clear, trust, label_suspect` to votes joined with their `family` and `wide`.

    A majority is clear if it beats the gold (or the runner-up, where it is the gold) in a sign test at `rules.alpha` and
    has the share `rules.share`. `trust` is the share of the family's clear majorities that are the gold, drawn towards
    that of its source and kind by the weight of `rules.family` questions, so that a small family is not judged by chance;
    null where no majority of the source and kind is clear. Of a question without a family whose own test accuses the gold it
    is the share among the majorities of its source and kind that are at least as clear, where that is more.
    """
    total = pl.col("answers")
    first = (pl.col("majority_share") * total).round().cast(pl.Int64)
    second = ((pl.col("majority_share") - pl.col("margin")) * total).round().cast(pl.Int64)
    gold = (pl.col("gold_share") * total).round().cast(pl.Int64)
    mine = pl.col("majority_is_gold").fill_null(False)
    counts = voted.select(
        first=first, rival=pl.when(mine).then(second).otherwise(gold), other=pl.when(mine).then(second).otherwise(first),
        gold=gold,
    )  # fmt: skip
    p = beats(counts["first"].to_numpy(), counts["rival"].to_numpy())
    against = beats(counts["other"].to_numpy(), counts["gold"].to_numpy())
    scored = pl.col("majority_is_gold").is_not_null()
    clear = scored & (pl.col("p_vote") <= rules.alpha) & (pl.col("majority_share") >= rules.share)
    rows = voted.with_columns(p_vote=pl.Series(p, dtype=pl.Float64), against=pl.Series(against, dtype=pl.Float64))
    rows = rows.with_columns(clear=clear, alone=pl.col("family") == pl.col("wide"))
    right = pl.col("clear") & pl.col("majority_is_gold")
    wide = (right.sum().over("wide") / pl.col("clear").sum().over("wide")).fill_nan(None)  # 0/0: nothing is known
    narrow = right.sum().over("family") + rules.family * wide
    rows = rows.with_columns(trust=narrow / (pl.col("clear").sum().over("family") + rules.family), wide_share=wide)
    rows = rows.join(_by_itself(rows, rules), on="id", how="left", maintain_order="left")
    rows = rows.with_columns(trust=pl.max_horizontal("trust", "own_trust"))
    suspect = pl.col("clear") & ~pl.col("majority_is_gold") & (pl.col("trust") >= rules.trust)
    return rows.with_columns(label_suspect=suspect.fill_null(False)).drop("against", "alone", "wide_share", "own_trust")


def _by_itself(rows: pl.DataFrame, rules: CheckRules) -> pl.DataFrame:
    """`id, own_trust` of questions without a template family whose own test accuses the gold: the trust of as clear ones."""
    alone = rows.filter("alone")
    alone = alone.with_columns(own=pl.Series(benjamini_hochberg(alone["against"].to_numpy()), dtype=pl.Float64))
    of = alone.filter("clear").group_by("wide", "p_vote").agg(gold=pl.col("majority_is_gold").sum(), m=pl.len())
    of = of.sort("wide", "p_vote").with_columns(pl.col("gold", "m").cum_sum().over("wide"))
    found = alone.filter(pl.col("clear") & (pl.col("own") <= rules.alpha)).join(of, on=["wide", "p_vote"], how="left")
    trust = (pl.col("gold") + rules.family * pl.col("wide_share")) / (pl.col("m") + rules.family)
    return found.select("id", own_trust=trust)

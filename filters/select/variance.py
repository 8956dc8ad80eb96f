"""Variance-aware selection: train where the model neither always fails nor always succeeds.

A group of rollouts that all agree has no advantage to learn from. The value of a sample is the Bernoulli variance
p(1-p) of its pass rate (the outcome-variance score of MMR1: arXiv 2509.21268, section 3, and `verl/curriculum/metrics.py`
of LengSicong/MMR1). Beside the selection stands a random one of the same size from the same candidates: a method that
does not beat it is not worth its rollouts.
"""

import polars as pl
from pydantic import Field

from schemas.ids import seeded
from schemas.section import Section
from schemas.split import Split, split


class SelectConfig(Section):
    """How many, and the window."""

    budget: int | float = Field(default=0.5, gt=0, description="samples to keep: a count, or a share up to 1.0")
    min_correct: int = Field(default=1, ge=0, description="least number of right rollouts")
    min_wrong: int = Field(default=1, ge=0, description="least number of wrong rollouts")
    splits: tuple[str, ...] = Field(
        default=("rl",), description="the splits to select in; others pass as they are (SFT keeps all verified traces)"
    )


def select_variance(rows: pl.DataFrame, config: SelectConfig, seed: int) -> Split:
    """Keep the `budget` samples of highest p(1-p) whose counts lie in the window; ties by chance, by id.

    `rows` is `id, k, n` of the candidates. Kept rows gain `value` and `rank` (0 is best). Reasons: `select:too_hard`,
    `select:too_easy` (outside the window), `select:budget` (inside, but worth less than the ones taken).
    """
    p = pl.col("k") / pl.col("n")
    chance = pl.Series("__chance", [seeded(f"select:{seed}", id_).random() for id_ in rows["id"]], dtype=pl.Float64)
    wanted = _count(config.budget, rows.height)
    inside = (pl.col("k") >= config.min_correct) & (pl.col("n") - pl.col("k") >= config.min_wrong)
    ranked = (
        rows.with_columns(chance, (p * (1 - p)).alias("value"), inside.alias("__inside"))
        .sort("__inside", "value", "__chance", "id", descending=[True, True, False, False])
        .with_row_index("rank")
        .with_columns(pl.col("rank").cast(pl.Int32))
    )
    reason = (
        pl.when(pl.col("k") < config.min_correct)
        .then(pl.lit("select:too_hard"))
        .when(pl.col("n") - pl.col("k") < config.min_wrong)
        .then(pl.lit("select:too_easy"))
        .when(pl.col("rank") >= wanted)
        .then(pl.lit("select:budget"))
    )
    parted = split(
        ranked, reason, {"k": pl.col("k"), "n": pl.col("n"), "value": pl.col("value"), "rank": pl.col("rank")}
    )
    return Split(parted.kept.drop("__chance", "__inside"), parted.dropped)


def random_control(rows: pl.DataFrame, size: int, seed: int) -> pl.DataFrame:
    """`size` ids of the candidates, drawn by hash: the same whatever the order of rows."""
    drawn = sorted((seeded(f"control:{seed}", id_).random(), id_) for id_ in rows["id"])
    return pl.DataFrame({"id": [id_ for _, id_ in drawn[:size]]}, schema={"id": pl.String})


def _count(budget: int | float, candidates: int) -> int:
    return int(budget) if budget > 1 or isinstance(budget, int) else round(budget * candidates)

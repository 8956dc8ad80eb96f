"""NeuraLadder (Observe-R1): a ladder of difficulty and complexity, without the short hard ones.

arXiv 2505.12432, figure of the NeuraLadder. Difficulty is 1 - c/8, complexity the mean length of the answers in tokens. A
question with short answers that is hard is likely mislabelled or can only be guessed: it is dropped. The cut-offs are not
published; the figure drops lengths 2 and 23 and keeps 56, so the default is between, and "hard" is never right.
A question that a small model (1B to 3B) answers without reasoning is dropped first, where a check has measured it.

The ladder itself is `select.order: ladder` (its mix) or `curriculum` (its sort). As a weight each row carries the source's
dynamic weight of the advantage, `4 sigma d(1-d)`, sigma = 1.8 (`openrlhf/trainer/ppo_utils/experience_maker.py` of
zrguo/Observe-R1). Nothing else is ordered, so a budget is filled by chance.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from filters.select.rules.share import Share, at_least
from schemas.section import Section


class NeuraLadderConfig(Section):
    """What counts as short, as hard, and as guessed."""

    type: Literal["neura_ladder"] = "neura_ladder"
    short: float = Field(
        default=40, ge=0, description="answers of fewer tokens on average are short (unpublished: between 23 and 56)"
    )
    hard: Share = Field(
        default="1",
        validate_default=True,
        description="difficulty 1 - c/n from which a short one is dropped (unpublished)",
    )
    drop_guessed: bool = Field(
        default=False, description="drop what a small model gets right at once; needs the check that asks it"
    )
    sigma: float = Field(default=1.8, gt=0, description="scale of the weight")


def columns(config: NeuraLadderConfig) -> tuple[str, ...]:
    """The small model's counts are read only where they decide."""
    return ("k", "n", "tokens", *(("k_guess",) if config.drop_guessed else ()))


def window(config: NeuraLadderConfig, n: int) -> tuple[int, int] | None:
    """None where short rows of some right rollouts go too: which they are depends on their lengths as well."""
    return (0, n) if config.hard == 1 else None


def judge(rows: pl.DataFrame, config: NeuraLadderConfig, seed: int) -> pl.DataFrame:
    """`value` = 1; `difficulty`, `complexity`, `weight`. Causes: `guessed`, `short_and_hard`."""
    k, n = pl.col("k"), pl.col("n")
    guessed = pl.col("k_guess") > 0 if config.drop_guessed else pl.lit(False)
    short_and_hard = (pl.col("tokens") < config.short) & at_least(n - k, n, config.hard)
    cause = pl.when(guessed).then(pl.lit("guessed")).when(short_and_hard).then(pl.lit("short_and_hard"))
    difficulty = 1 - k / n
    return rows.select(
        "id",
        difficulty=difficulty,
        complexity=pl.col("tokens"),
        value=pl.lit(1.0),
        weight=4 * config.sigma * difficulty * (1 - difficulty),
        cause=cause,
    )

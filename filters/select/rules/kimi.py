"""Kimi k1.5 and Kimi-VL: sampling in proportion to how often the model fails.

arXiv 2501.12599, sections 2.1 and 2.3.4, and 2504.07491. Ten answers of the SFT model at a rather high temperature give
the success rate s; trivial rows go; a row whose answer can be guessed without reasoning in eight tries goes (where a
check has measured it); training is a curriculum from easy to hard and then draws by 1 - s. Here the budget is drawn by
1 - s without replacement; the curriculum is `select.order: easy_to_hard`.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from filters.select.rules.rule import PASS_RATE
from schemas.section import Section


class KimiConfig(Section):
    """Which gates are closed."""

    type: Literal["kimi"] = "kimi"
    drop_trivial: bool = Field(default=True, description="drop what is always right")
    drop_guessed: bool = Field(
        default=False,
        description="drop what was guessed right without reasoning; needs the check that asks for guesses",
    )


def columns(config: KimiConfig) -> tuple[str, ...]:
    """The guesses are read only where they decide."""
    return ("k", "n", *(("k_guess",) if config.drop_guessed else ()))


def window(config: KimiConfig, n: int) -> tuple[int, int]:
    """Least and greatest number of right rollouts out of n that pass."""
    return 0, n - 1 if config.drop_trivial else n


def judge(rows: pl.DataFrame, config: KimiConfig, seed: int) -> pl.DataFrame:
    """`value` = 1 - s. Causes: `too_easy`, `guessed`."""
    trivial = pl.col("k") >= pl.col("n") if config.drop_trivial else pl.lit(False)
    guessed = pl.col("k_guess") > 0 if config.drop_guessed else pl.lit(False)
    cause = pl.when(trivial).then(pl.lit("too_easy")).when(guessed).then(pl.lit("guessed"))
    return rows.select("id", "k", "n", value=1 - PASS_RATE, cause=cause)

"""VL-Cogito: drop what the base model gets right more often than not; weigh the rest by the stage of training.

arXiv 2507.22607. Offline, items of a pass@8 above 50 % go. Online difficulty soft weighting (ODSW) multiplies the advantage
by F(a), a the group's accuracy (`r1v_cir_weight_all` in `verl/trainer/ray_trainer.py` of alibaba-damo-academy/VL-Cogito; its
stage 1 runs `s_3`, stage 2 `s_2`, stage 3 `s_1`). The three stages train on the same set, so a stage only changes `weight`.
"""

import math
from fractions import Fraction
from typing import Literal

import polars as pl
from pydantic import Field

from filters.select.rules.rule import PASS_RATE
from filters.select.rules.share import Share, above, at_least
from schemas.section import Section


class VLCogitoConfig(Section):
    """The offline cut, and whose stage's weights."""

    type: Literal["vl_cogito"] = "vl_cogito"
    high: Share = Field(default="1/2", validate_default=True, description="highest pass rate, compared as counts")
    stage: Literal["easy", "medium", "hard"] | None = Field(default=None, description="whose weights; null: none")
    form: Literal["soft", "binary"] = Field(
        default="soft", description="ODSW, or the binary variant it is compared with"
    )
    all_false: float = Field(
        default=0.25, ge=0, le=1, description="soft, hard stage: weight of a row that is never right"
    )


COLUMNS = ("k", "n")

HALF = Fraction(1, 2)

WINDOWS = {
    "hard": (Fraction(0), HALF),
    "medium": (Fraction(1, 4), Fraction(3, 4)),
    "easy": (HALF, Fraction(1)),
}
"""The binary variants, a = 0 always outside."""


def window(config: VLCogitoConfig, n: int) -> tuple[int, int]:
    """Least and greatest number of right rollouts out of n that pass."""
    return 0, math.floor(config.high * n)


def judge(rows: pl.DataFrame, config: VLCogitoConfig, seed: int) -> pl.DataFrame:
    """`value` = 1, `weight` = F(a). Cause: `too_easy`."""
    cause = pl.when(above(pl.col("k"), pl.col("n"), config.high)).then(pl.lit("too_easy"))
    return rows.select("id", "k", "n", value=pl.lit(1.0), weight=_weight(config), cause=cause)


def _weight(config: VLCogitoConfig) -> pl.Expr:
    """F(a) of the stage; windows in whole numbers."""
    k, n = pl.col("k"), pl.col("n")
    if config.stage is None:
        return pl.lit(None, pl.Float64)
    if config.form == "binary":
        low, high = WINDOWS[config.stage]
        inside = (k > 0) & at_least(k, n, low) & ~above(k, n, high)
        return inside.cast(pl.Float64)
    bell = ((PASS_RATE - 0.5) * math.pi).cos()
    if config.stage == "medium":
        return pl.when(k <= 0).then(0.0).otherwise(bell)
    flat = above(k, n, HALF) if config.stage == "easy" else ~above(k, n, HALF)
    never = 0.0 if config.stage == "easy" else config.all_false
    return pl.when(k <= 0).then(never).when(flat).then(1.0).otherwise(bell)

"""UniVG-R1: a weight for grounding rows that grows as the model's boxes get worse.

arXiv 2505.14231; `miou_adjust` in `src/open-r1-multimodal/src/open_r1/trainer/grpo_trainer.py` of AMAP-ML/UniVG-R1: the
loss is multiplied by exp(1 - m), (1.05 - m)^w or -log(0.02 + m), m the group's mean IoU. There m is of the current
policy, here of the rollouts that measured the sample. Nothing is dropped.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from schemas.section import Section


class UniVGR1Config(Section):
    """Which of its three weights."""

    type: Literal["univg_r1"] = "univg_r1"
    form: Literal["exp", "power", "log"] = Field(default="exp", description="exp(1-m), (1.05-m)^power, -log(0.02+m)")
    power: float = Field(default=1.0, gt=0, description="the exponent of `power` (a flag without a published value)")


COLUMNS = ("mean_score",)


def judge(rows: pl.DataFrame, config: UniVGR1Config, seed: int) -> pl.DataFrame:
    """`value` = `weight`, so that a budget goes to the heaviest. All pass; `log` is cut off at 0 (m above 0.98)."""
    score = pl.col("mean_score")
    weight = {
        "exp": (1 - score).exp(),
        "power": (1.05 - score) ** config.power,
        "log": -(0.02 + score).log().clip(upper_bound=0.0),
    }[config.form]
    return rows.select("id", "mean_score", value=weight, weight=weight, cause=pl.lit(None, pl.String))

"""MMR1's variance-aware sampling: outcome variance and diversity of the traces, drawn half by value and half at random.

arXiv 2509.21268, section 3 and appendix A.3: `VPS = alpha * OVS + beta * TDS`, OVS = p(1-p), TDS the diversity of a prompt's
rollouts; floor(lambda B) of a batch are drawn by VPS with replacement, the rest uniformly. alpha = 0.8, beta = 0.2, lambda =
0.5 in the body, other numbers elsewhere. Code: `verl/curriculum/{metrics,samplers}.py`, `verl/trainer/ray_trainer.py` of
LengSicong/MMR1, which computes the weights again while it trains; a dataset is drawn once, before.

Two traps of the source are choices here. OVS is at most 0.25 beside a TDS of up to 1, so that beta = 0.2 already rivals
alpha = 0.8: `scale: unit` (the default) takes 4 p(1-p). And its code adds self-BLEU as it is, where high means *less*
diverse, and edit distances in tokens, which have no limit: `variant: code` does so too (in words), `paper` turns the one
round and scales the other.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from filters.select.diversity import DIVERSITY, RAW, DiversityMeasure
from filters.select.rules.rule import VARIANCE
from schemas.section import Section


class MMR1VASConfig(Section):
    """What the two scores weigh."""

    type: Literal["mmr1_vas"] = "mmr1_vas"
    variant: Literal["paper", "code"] = Field(
        default="paper",
        description="paper: diversity counts for a sample; code: raw metrics, then min-max over the candidates",
    )
    alpha: float = Field(default=0.8, ge=0, description="weight of OVS = p(1-p)")
    beta: float = Field(default=0.2, ge=0, description="weight of TDS; at 0 no rollout text is read")
    diversity: DiversityMeasure = Field(default="distinct_3", description="what TDS measures")
    scale: Literal["unit", "raw"] = Field(
        default="unit", description="paper: OVS in [0, 1] beside TDS, or in [0, 0.25] as its formula has it"
    )


def columns(config: MMR1VASConfig) -> tuple[str, ...]:
    """TDS is read only where it counts."""
    return ("k", "n", _diversity(config)) if config.beta > 0 else ("k", "n")


def judge(rows: pl.DataFrame, config: MMR1VASConfig, seed: int) -> pl.DataFrame:
    """`value` = VPS; `ovs` and `tds` are its parts. Everything passes: a value of 0 is just never drawn by value."""
    ovs = VARIANCE
    tds = pl.col(_diversity(config)) if config.beta > 0 else pl.lit(0.0)
    if config.variant == "paper" and config.scale == "unit":
        ovs = 4 * ovs
    if config.variant == "code" and config.diversity == "self_bleu_123" and config.beta > 0:
        tds = 1 - tds
    scored = rows.select("id", "k", "n", ovs.alias("ovs"), tds.alias("tds"), cause=pl.lit(None, pl.String))
    vps = config.alpha * pl.col("ovs") + config.beta * pl.col("tds")
    if config.variant == "code":
        width = vps.max() - vps.min()
        vps = pl.when(width > 0).then((vps - vps.min()) / width).otherwise(0.0)
    return scored.with_columns(value=vps)


def _diversity(config: MMR1VASConfig) -> str:
    """The column of TDS; the code takes an edit distance as it is, which soon outweighs everything."""
    scaled = DIVERSITY[config.diversity]
    return RAW.get(config.diversity, scaled) if config.variant == "code" else scaled

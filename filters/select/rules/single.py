"""The rules that judge a row by the numbers of one student.

A new rule is a file, a member of the union, and a line in `RULES`.
"""

from typing import Annotated

from pydantic import Field

from filters.select.rules import (
    bands,
    base_fails,
    column,
    curr_reft,
    discrepancy,
    everything,
    general_reasoner,
    hard_only,
    in_band,
    kimi,
    mm_eureka,
    neura_ladder,
    rita,
    temporal_r1,
    thyme,
    time_r1,
    univg_r1,
    variance,
    vl_cogito,
    vl_rethinker,
)
from filters.select.rules.rule import Rule, reads
from schemas.section import Section

OneRule = Annotated[
    variance.VarianceConfig
    | temporal_r1.TemporalR1Config
    | neura_ladder.NeuraLadderConfig
    | vl_rethinker.VLRethinkerConfig
    | vl_cogito.VLCogitoConfig
    | mm_eureka.MMEurekaConfig
    | general_reasoner.GeneralReasonerConfig
    | thyme.ThymeConfig
    | base_fails.BaseFailsConfig
    | hard_only.HardOnlyConfig
    | discrepancy.DiscrepancyConfig
    | kimi.KimiConfig
    | time_r1.TimeR1Config
    | rita.RitaConfig
    | univg_r1.UniVGR1Config
    | curr_reft.CurrReFTConfig
    | in_band.InBandConfig
    | bands.BandsConfig
    | column.ColumnConfig
    | everything.AllConfig,
    Field(discriminator="type"),
]  # fmt: skip

RULES: dict[type[Section], Rule] = {
    variance.VarianceConfig: Rule(variance.judge, reads(*variance.COLUMNS), window=variance.window),
    temporal_r1.TemporalR1Config: Rule(temporal_r1.judge, reads(*temporal_r1.COLUMNS), window=temporal_r1.window),
    neura_ladder.NeuraLadderConfig: Rule(neura_ladder.judge, neura_ladder.columns, window=neura_ladder.window),
    vl_rethinker.VLRethinkerConfig: Rule(vl_rethinker.judge, reads(*vl_rethinker.COLUMNS), window=vl_rethinker.window),
    vl_cogito.VLCogitoConfig: Rule(vl_cogito.judge, reads(*vl_cogito.COLUMNS), window=vl_cogito.window),
    mm_eureka.MMEurekaConfig: Rule(mm_eureka.judge, reads(*mm_eureka.COLUMNS), window=mm_eureka.window),
    general_reasoner.GeneralReasonerConfig: Rule(
        general_reasoner.judge, reads(*general_reasoner.COLUMNS), window=general_reasoner.window
    ),
    thyme.ThymeConfig: Rule(thyme.judge, reads(*thyme.COLUMNS), window=thyme.window),
    base_fails.BaseFailsConfig: Rule(base_fails.judge, reads(*base_fails.COLUMNS), window=base_fails.window),
    hard_only.HardOnlyConfig: Rule(hard_only.judge, reads(*hard_only.COLUMNS), window=hard_only.window),
    discrepancy.DiscrepancyConfig: Rule(discrepancy.judge, reads(*discrepancy.COLUMNS), window=discrepancy.window),
    kimi.KimiConfig: Rule(kimi.judge, kimi.columns, how="weighted", window=kimi.window),
    time_r1.TimeR1Config: Rule(time_r1.judge, reads(*time_r1.COLUMNS), how="weighted"),
    rita.RitaConfig: Rule(rita.judge, reads(*rita.COLUMNS), window=rita.window),
    univg_r1.UniVGR1Config: Rule(univg_r1.judge, reads(*univg_r1.COLUMNS)),
    curr_reft.CurrReFTConfig: Rule(curr_reft.judge, reads(*curr_reft.COLUMNS)),
    in_band.InBandConfig: Rule(in_band.judge, reads(*in_band.COLUMNS)),
    bands.BandsConfig: Rule(bands.judge, reads(*bands.COLUMNS), window=bands.window),
    column.ColumnConfig: Rule(column.judge, column.columns),
    everything.AllConfig: Rule(everything.judge, reads()),
}
"""What each config asks for."""

"""All rules by name. A new rule is a file, a member of the union, and a line in `RULES`."""

from typing import Annotated

from pydantic import Field

from filters.select.rules import (
    general_reasoner,
    hard_only,
    in_band,
    kimi,
    mm_eureka,
    mmr1_vas,
    neura_ladder,
    rap,
    temporal_r1,
    time_r1,
    univg_r1,
    variance,
    vl_cogito,
    vl_rethinker,
)
from filters.select.rules.rule import Rule, reads
from schemas.section import Section

RuleConfig = Annotated[
    variance.VarianceConfig
    | temporal_r1.TemporalR1Config
    | mmr1_vas.MMR1VASConfig
    | neura_ladder.NeuraLadderConfig
    | vl_rethinker.VLRethinkerConfig
    | vl_cogito.VLCogitoConfig
    | mm_eureka.MMEurekaConfig
    | general_reasoner.GeneralReasonerConfig
    | hard_only.HardOnlyConfig
    | kimi.KimiConfig
    | time_r1.TimeR1Config
    | univg_r1.UniVGR1Config
    | rap.RapConfig
    | in_band.InBandConfig,
    Field(discriminator="type"),
]  # fmt: skip

RULES: dict[type[Section], Rule] = {
    variance.VarianceConfig: Rule(variance.judge, reads(*variance.COLUMNS), window=variance.window),
    temporal_r1.TemporalR1Config: Rule(temporal_r1.judge, reads(*temporal_r1.COLUMNS), window=temporal_r1.window),
    mmr1_vas.MMR1VASConfig: Rule(mmr1_vas.judge, mmr1_vas.columns, how="mixture"),
    neura_ladder.NeuraLadderConfig: Rule(neura_ladder.judge, neura_ladder.columns, window=neura_ladder.window),
    vl_rethinker.VLRethinkerConfig: Rule(vl_rethinker.judge, reads(*vl_rethinker.COLUMNS), window=vl_rethinker.window),
    vl_cogito.VLCogitoConfig: Rule(vl_cogito.judge, reads(*vl_cogito.COLUMNS), window=vl_cogito.window),
    mm_eureka.MMEurekaConfig: Rule(mm_eureka.judge, reads(*mm_eureka.COLUMNS), window=mm_eureka.window),
    general_reasoner.GeneralReasonerConfig: Rule(
        general_reasoner.judge, reads(*general_reasoner.COLUMNS), window=general_reasoner.window
    ),
    hard_only.HardOnlyConfig: Rule(hard_only.judge, reads(*hard_only.COLUMNS), window=hard_only.window),
    kimi.KimiConfig: Rule(kimi.judge, kimi.columns, how="weighted", window=kimi.window),
    time_r1.TimeR1Config: Rule(time_r1.judge, reads(*time_r1.COLUMNS), how="weighted"),
    univg_r1.UniVGR1Config: Rule(univg_r1.judge, reads(*univg_r1.COLUMNS)),
    rap.RapConfig: Rule(rap.judge, rap.columns, window=rap.window),
    in_band.InBandConfig: Rule(in_band.judge, reads(*in_band.COLUMNS)),
}
"""What each config asks for."""

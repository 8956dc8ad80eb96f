"""All rules by name. A new rule is a file, a member of the union, and a line in `RULES`."""

from typing import Annotated

from pydantic import Field

from filters.select.rules import mm_eureka, rap, variance, vl_rethinker
from filters.select.rules.rule import Rule, reads
from schemas.section import Section

RuleConfig = Annotated[
    variance.VarianceConfig
    | mm_eureka.MMEurekaConfig
    | vl_rethinker.VLRethinkerConfig
    | rap.RapConfig,
    Field(discriminator="type"),
]  # fmt: skip

RULES: dict[type[Section], Rule] = {
    variance.VarianceConfig: Rule(variance.judge, reads(*variance.COLUMNS)),
    mm_eureka.MMEurekaConfig: Rule(mm_eureka.judge, reads(*mm_eureka.COLUMNS)),
    vl_rethinker.VLRethinkerConfig: Rule(vl_rethinker.judge, reads(*vl_rethinker.COLUMNS)),
    rap.RapConfig: Rule(rap.judge, rap.columns),
}
"""What each config asks for."""

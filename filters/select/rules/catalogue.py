"""All rules by name: those of one student, those that look at all candidates at once, and those of several students."""

from typing import Annotated, Any

from pydantic import Field

from filters.select.rules import mmr1_vas, rap, single, students
from filters.select.rules.rule import Rule
from schemas.section import Section

RuleConfig = Annotated[
    single.OneRule | mmr1_vas.MMR1VASConfig | rap.RapConfig | students.StudentsConfig, Field(discriminator="type")
]

RULES: dict[type[Section], Rule] = {
    **single.RULES,
    mmr1_vas.MMR1VASConfig: Rule(mmr1_vas.judge, mmr1_vas.columns, how="mixture"),
    rap.RapConfig: Rule(rap.judge, rap.columns, window=rap.window),
    students.StudentsConfig: Rule(students.judge, students.columns, window=lambda config, n: None),
}
"""What each config asks for."""


def rules_of(config: Any) -> tuple[Any, ...]:
    """The rules of one student each that a rule is made of: of several students theirs, else itself."""
    return tuple(config.rules.values()) if isinstance(config, students.StudentsConfig) else (config,)

"""Several students: each has a rule of its own, and a row stays that all of them let pass.

`rules: {small: base_fails, large: vl_rethinker}` keeps what the small one never gets right and the large one does at least
once: InfiGUI-R1 (arXiv 2504.14239) so finds what its model fails alone and solves with a hint; VL-Rethinker (2504.08837)
asked its 7B model where the 32B one found rows easy, and took what either gets right for itself. Whose numbers a
student's rule reads, `select.k` says: `{small: tried_small, large: tried_large}`.
"""

from typing import Any, Literal, Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from filters.select.rules.rule import OF_STUDENT
from filters.select.rules.single import RULES, OneRule
from schemas.section import Section

_REST = frozenset({"id", "value", "cause", "weight"})


class StudentsConfig(Section):
    """Each student's rule, and whose values a budget goes by."""

    type: Literal["students"] = "students"
    rules: dict[str, OneRule] = Field(min_length=2, description="by student, as `select.k` names them")
    value: str | None = Field(
        default=None, description="the student by whose rule rows are worth what they are; null: the first"
    )

    @field_validator("rules", mode="before")
    @classmethod
    def _by_name(cls, rules: Any) -> Any:
        """A bare name is a rule with its defaults."""
        if not isinstance(rules, dict):
            return rules
        return {name: {"type": rule} if isinstance(rule, str) else rule for name, rule in rules.items()}

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.value is not None and self.value not in self.rules:
            raise ValueError(f"value: '{self.value}' is none of the students {', '.join(self.rules)}")
        return self


def column(name: str, student: str) -> str:
    """What a column of a student is called: `k_small`. What a row has whoever answers it keeps its name."""
    return f"{name}_{student}" if name in OF_STUDENT else name


def columns(config: StudentsConfig) -> tuple[str, ...]:
    """Those of each student's rule."""
    wanted = (column(name, of) for of, rule in config.rules.items() for name in RULES[type(rule)].columns(rule))
    return tuple(dict.fromkeys(wanted))


def judge(rows: pl.DataFrame, config: StudentsConfig, seed: int) -> pl.DataFrame:
    """`value` and `weight` of one student's rule; the first cause that a student's rule has: `small_too_easy`."""
    found = rows.select("id", cause=pl.lit(None, pl.String))
    worth = config.value or next(iter(config.rules))
    for student, rule in config.rules.items():
        own = RULES[type(rule)]
        read = {name: column(name, student) for name in own.columns(rule)}
        seen = rows.select("id", **{name: pl.col(place) for name, place in read.items()})
        verdict = own.judge(seen, rule, seed)
        made = {name: f"{name}_{student}" for name in verdict.columns if name not in _REST | set(read)}
        if student == worth:
            made |= {name: name for name in ("value", "weight") if name in verdict.columns}
        why = (pl.lit(f"{student}_") + pl.col("cause")).alias("why")
        mine = verdict.select("id", why, *(pl.col(old).alias(new) for old, new in made.items()))
        found = found.join(mine, on="id", how="left", maintain_order="left", validate="1:1")
        found = found.with_columns(cause=pl.coalesce("cause", "why")).drop("why")
    return found

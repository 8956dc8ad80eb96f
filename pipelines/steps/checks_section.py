"""The section of the step `checks`, and the columns that it gives."""

from collections.abc import Iterable, Mapping

import polars as pl
from pydantic import Field, model_validator

from filters.checks.measure import BLIND, FLAGS
from filters.checks.rules import CheckRules
from filters.difficulty import Counted, DifficultyConfig
from generators.checks.catalogue import CheckConfig
from pipelines.steps.as_asked import steps_before
from schemas.step import Known, StepConfig

FLAGGED = {"flags": pl.List(pl.String()), "blind": pl.Boolean(), "label_suspect": pl.Boolean()}
"""`flags` are those of `filters.checks.measure.FLAGS`, sorted; `blind` is null where no check hides the images,
`label_suspect` where none votes."""

_COUNTS = {"k": pl.Int32(), "n": pl.Int32(), "gain": pl.Float64(), "p": pl.Float64(), "certainty": pl.Float64()}
COUNTED: Mapping[str, Mapping[str, pl.DataType]] = {
    **{
        check: {**{f"{name}_{short}": dtype for name, dtype in _COUNTS.items()}, f"k_{short}_formed": pl.Int32()}
        for check, short in zip(BLIND, ("text", "grey"), strict=True)
    },
    "guess": {"k_guess": pl.Int32(), "n_guess": pl.Int32()},
}
"""What else a check of a type gives. `k_text` of `n_text` answers are right without images, `k_grey` with grey ones,
`k_guess` of those of a `guess`; `gain`, `p` and `certainty` are what `filters.checks` makes of them. Of the right ones,
`k_text_formed` and `k_grey_formed` are laid out as their tag schema says, too."""


class ChecksStepConfig(StepConfig):
    """Which checks, of what, and when their numbers become flags."""

    model: str = Field(
        min_length=1, description="a name from `models`: the student, who is asked where a check names none"
    )
    checks: tuple[CheckConfig, ...] = Field(min_length=1)
    rollouts: str = Field(
        default="rollout", description="the student's rollouts: what variants change and are held against"
    )
    traces: str = Field(default="trace", description="the traces that `reverify` concludes from")
    caption: str = Field(
        default="caption", description="the column that `caption_only` puts in the place of the images"
    )
    n: int = Field(default=8, ge=1, description="answers a variant, where a check names no number")
    rules: CheckRules = CheckRules()
    truncated: Counted = Field(default="unscored", description="an answer that was cut off: wrong, or no evidence")
    no_answer: Counted = Field(default="unscored", description="an unreadable answer: wrong, or no evidence")

    @model_validator(mode="after")
    def _one_name_each(self) -> "ChecksStepConfig":
        labels = [check.label for check in self.checks]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None:
            raise ValueError(f"two checks are named '{twice}'; give one of them another `name`")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(model for check in self.checks if (model := check.asks(self.model)) is not None))

    def needs(self, what: str) -> bool:
        return any(what in check.needs for check in self.checks)

    @property
    def claims(self) -> bool:
        """Whether golds of other rows are drawn from."""
        return any(check.type == "question_form" for check in self.checks)

    @property
    def counting(self) -> DifficultyConfig:
        return DifficultyConfig(truncated=self.truncated, no_answer=self.no_answer)

    def most(self, model: str) -> int:
        """The most completions that a row may need of a model."""
        return sum(check.calls(self.n) for check in self.checks if check.asks(self.model) == model)

    def longest(self, own: int) -> int:
        """The most tokens of an answer, where those of the rollouts have `own`."""
        asked = (check for check in self.checks if check.asks(self.model) is not None)
        return max((check.sampling.max_tokens if check.sampling else own for check in asked), default=0)


def gives(config: ChecksStepConfig) -> dict[str, pl.DataType]:
    """The columns of the checks that the section names: what nobody measured has none."""
    types = {check.type for check in config.checks}
    counted = {name: dtype for type_, own in COUNTED.items() if type_ in types for name, dtype in own.items()}
    return {**FLAGGED, **counted}


def check_flags(flags: Iterable[str], known: Known) -> None:
    """Raise ValueError for a flag that no check before the step gives, where there are checks: no row will ever have it."""
    sections = [step.config for step in steps_before(known) if isinstance(step.config, ChecksStepConfig)]
    types = {check.type for section in sections for check in section.checks}
    for flag in flags if sections else ():
        givers = [type_ for type_, own in FLAGS.items() if flag in own]
        if types.isdisjoint(givers):
            raise ValueError(f"no row is flagged '{flag}': that takes a check of type {' or '.join(givers)}")

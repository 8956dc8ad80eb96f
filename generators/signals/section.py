"""The recipe's section for signals."""

from typing import Self

from pydantic import Field, model_validator

from generators.signals.attention import AttentionConfig
from generators.signals.likelihood import LikelihoodConfig
from schemas.section import Section


class SignalsConfig(Section):
    """What is read off a model's insides. The model runs in transformers, whatever its engine."""

    model: str | tuple[str, ...] = Field(
        min_length=1, description="a name from `models`, or several; none behind a server"
    )
    attention: AttentionConfig | None = Field(default=None, description="attention over the model's own rollouts")
    likelihood: LikelihoodConfig | None = Field(default=None, description="likelihood with whole and masked images")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.attention is None and self.likelihood is None:
            raise ValueError("name at least one signal: attention, likelihood")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models that are read."""
        return (self.model,) if isinstance(self.model, str) else self.model

    @property
    def reads_replies(self) -> bool:
        """Whether the models' own rollouts are read."""
        return self.attention is not None or (self.likelihood is not None and self.likelihood.of == "rollouts")

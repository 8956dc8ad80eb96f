"""The recipe's section for signals."""

from typing import Self

from pydantic import Field, model_validator

from generators.signals.attention import AttentionConfig
from generators.signals.likelihood import LikelihoodConfig
from generators.signals.validity import ValidityConfig
from generators.template import PromptField
from schemas.section import Section


class SignalsConfig(Section):
    """What is read off a model's insides. The model runs in transformers, whatever its engine."""

    model: str | tuple[str, ...] = Field(
        min_length=1, description="a name from `models`, or several; none behind a server"
    )
    attention: AttentionConfig | None = Field(default=None, description="attention over the model's own rollouts")
    likelihood: LikelihoodConfig | None = Field(
        default=None, description="likelihood with whole images, with masked ones and with none"
    )
    validity: ValidityConfig | None = Field(
        default=None, description="CVS: whether the gold fits the question, and without it"
    )
    prompt: PromptField | None = Field(
        default=None, description="how rows are put to the model; null: as the rollouts of `of` were asked for"
    )
    system: PromptField | None = Field(default=None, description="a template of the system turn, with `prompt`")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.attention is None and self.likelihood is None and self.validity is None:
            raise ValueError("name at least one signal: attention, likelihood, validity")
        if self.prompt is not None and self.reads_replies:
            raise ValueError(
                "`prompt` is for the likelihood of golds; replies are read behind the prompt that they answer"
            )
        if self.prompt is None and self.system is not None:
            raise ValueError("`system` goes with a `prompt`; without one rows are put as the rollouts were asked for")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models that are read."""
        return (self.model,) if isinstance(self.model, str) else self.model

    @property
    def reads_replies(self) -> bool:
        """Whether the models' own rollouts are read."""
        return self.attention is not None or (self.likelihood is not None and self.likelihood.of == "rollouts")

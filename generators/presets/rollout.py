"""The step `rollout`: a student answers each question n times. How often it is right is the question's difficulty.

A reply that is cut off, or that has not the form of its tag schema, is an outcome like others and is kept; only one that
could not be had is lost. Decoding is left free, as it is where the student is trained.
"""

from pydantic import Field, model_validator

from generators.asking.config import AskConfig, Fate
from generators.presets.preset import as_ask, preset
from generators.template import PromptField
from schemas.completion import Sampling
from schemas.reply_shape import Form


class RolloutConfig(AskConfig):
    """How students are asked."""

    prompt: PromptField = "{{ question }}"
    makes: str | None = "rollout"
    n: int = Field(default=8, ge=1, description="rollouts a question and model")
    sampling: Sampling = Sampling(temperature=1.0, max_tokens=2048)
    tags: str = Field(
        default="plain",
        description="where a reply gives its answer (a tag schema); one with tags wants a `system` or a `prompt` that asks "
        "for them",
    )
    constrain: bool | dict[str, str] = False
    unreadable: Fate = "keep"

    @property
    def sections(self) -> str | None:
        return super().sections if "reply" in self.model_fields_set else self.tags

    @model_validator(mode="after")
    def _one_form(self) -> "RolloutConfig":
        if {"tags", "reply"} <= self.model_fields_set:
            raise ValueError("`tags` and `reply` both say what form a reply has; leave one out")
        if self.answer_pattern is not None and "reply" not in self.model_fields_set:
            raise ValueError(f"the tag schema {self.tags} says where the answer is; leave `answer_pattern` out")
        Form(tags=self.tags)
        return self


def expand(config: RolloutConfig) -> AskConfig:
    """What it asks: replies in sections, of which rows hold the answer and the thought."""
    return as_ask(
        config, "rollout", **({} if "reply" in config.model_fields_set else {"reply": Form(tags=config.tags)})
    )


STEP = preset("rollout", "students answer each question several times", RolloutConfig, expand, of="sample")

"""The step `label`: a model sorts rows into classes."""

from pydantic import Field, model_validator

from generators.asking.config import AskConfig
from generators.presets.preset import as_ask, preset
from schemas.completion import Sampling
from schemas.reply_shape import Reply


class LabelConfig(AskConfig):
    """Which classes there are, and what decides between them."""

    reply: Reply = Field(description="the classes: {choice: [chart, scene, text]}")
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=32)

    @model_validator(mode="after")
    def _has_classes(self) -> "LabelConfig":
        if self.reply == "text" or self.reply.choice is None:
            raise ValueError(
                "a label is one of several: write them as reply: {choice: [chart, scene, text]}; `ask` takes others"
            )
        return self


def expand(config: LabelConfig) -> AskConfig:
    return as_ask(config, "label")


STEP = preset("label", "sorts rows into classes", LabelConfig, expand, of="sample")

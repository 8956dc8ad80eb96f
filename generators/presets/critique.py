"""The step `critique`: a model says what is wrong with replies, and each of its replies is a row of its own."""

from pydantic import Field

from generators.asking.config import AskConfig
from generators.presets.preset import as_ask, preset
from generators.template import PromptField
from schemas.completion import Sampling


class CritiqueConfig(AskConfig):
    """How replies are criticised."""

    prompt: PromptField = (
        "Question:\n{{ question }}\n\nA reply to it:\n{{ text }}\n\n"
        "Name every mistake in the reply, each with the words in which it stands and why it is one. Do not solve the "
        "question anew."
    )
    makes: str | None = "critique"
    gives: dict[str, str] | None = Field(default={}, description="columns beside those of every reply")
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=1024)


def expand(config: CritiqueConfig) -> AskConfig:
    return as_ask(config, "critique")


STEP = preset("critique", "names the mistakes of replies", CritiqueConfig, expand, of="trace")

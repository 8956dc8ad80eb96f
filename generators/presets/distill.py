"""The step `distill`: a teacher answers, and each reply is a trace of its thought and its answer.

It sees the images, or reads of them in a caption (`sees: nothing`, and a prompt that names the caption). A large reasoner
writes tags by itself; a small one is shown worked examples (`shots`) and ends in a fixed sentence. Either way the reply is
taken apart (`schemas.reading`) and written in the tag schema of the release, so that all traces look alike.

A reply that is cut off, or that comes to no answer, is kept without one, and can be made to conclude (`conclude`, the
budget forcing of s1: Muennighoff et al. 2025, arXiv 2501.19393, section 3.1). Some systems show the teacher the gold answer
(LLaVA-CoT, Reason-RFT, open-r1-multimodal): where the prompt names `{{ answer }}`, traces are marked `gold_visible`, and the
check `reverify` asks whether their reasoning leads to the answer.
"""

from pydantic import Field

from generators.asking.config import AskConfig
from generators.presets.preset import as_ask, preset
from generators.template import PromptField
from schemas.completion import Sampling


class DistillConfig(AskConfig):
    """How traces are made. The defaults are what DeepSeek-R1's model card recommends: temperature 0.6, top_p 0.95."""

    prompt: PromptField = "{{ question }}"
    makes: str | None = "trace"
    gives: dict[str, str] | None = Field(default={}, description="columns beside those of every reply")
    sampling: Sampling = Sampling(temperature=0.6, top_p=0.95, max_tokens=8192)


def expand(config: DistillConfig) -> AskConfig:
    return as_ask(config, "distill")


STEP = preset("distill", "makes traces of a teacher's replies", DistillConfig, expand, of="sample")

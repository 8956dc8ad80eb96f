"""Caption-only sufficiency: does a description of the image answer the question as well as the image?

Visionary-R1 and RACRO2 reward captions by it. High: the row can be reasoned about by a model that sees nothing. Low where
the rate with the image is high: the row is bound by perception, or the caption leaves out what is asked.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.material import Material
from generators.template import PromptField


class CaptionOnly(Check):
    """The caption in the place of the images; `model` may be one that reads text only."""

    type: Literal["caption_only"] = "caption_only"
    fields: ClassVar[tuple[str, ...]] = ("caption", "question")
    prompt: PromptField | None = Field(
        default="Description: {{ caption }}\nQuestion: {{ question }}",
        description="a template that reads `caption` and `question`",
    )
    needs: ClassVar[frozenset[str]] = frozenset({"caption"})

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant of a sample with a caption."""
        if sample.caption:
            yield Change(media=(), values={"caption": sample.caption})

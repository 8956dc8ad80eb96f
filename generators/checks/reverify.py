"""Blind re-verification: a trace's reasoning without its stated answer, and a model that must conclude from it.

A trace that was written with the gold in view (LLaVA-CoT, Reason-RFT, open-r1-multimodal rewrite that way) may justify an
answer that its reasoning does not reach. The sentences that state the answer are cut off, the rest is forced as the
start of the reply, and what follows is verified against the gold.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.guess import forced_thought
from generators.checks.material import Material
from schemas.stated_answer import without_answer
from schemas.tags import TAG_SCHEMAS


class Reverify(Check):
    """Conclude from a trace's reasoning alone."""

    type: Literal["reverify"] = "reverify"
    n: int | None = Field(default=1, ge=1, description="conclusions a trace")
    traces: Literal["gold_visible", "all"] = "gold_visible"
    most: int = Field(default=4, ge=1, description="at most so many traces of a sample")
    image: bool = Field(default=True, description="show the images; without them there is the reasoning alone")
    conclude: str = Field(
        default="So the answer is", description="what follows the reasoning where the tag schema has no thought"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"traces"})

    def calls(self, n: int) -> int:
        """`n` conclusions for each trace."""
        return (self.n or 1) * self.most

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant a trace. Refusal: `nothing_but_the_answer` where no reasoning is left without it."""
        tags = self.tags or setting.rollouts.answer_tags
        wanted = [t for t in sample.traces if t.gold_visible or self.traces == "all"]
        for trace in wanted[: self.most]:
            thought = without_answer(trace.text, trace.answer)
            if not thought:
                yield Refusal(trace.id, "nothing_but_the_answer")
                continue
            plain = len(TAG_SCHEMAS[tags].sections) == 1
            prefix = f"{thought} {self.conclude}" if plain else forced_thought(thought, tags)
            media = None if self.image else ()
            yield Change(trace.id, media=media, prefix=prefix, detail={"cut": len(trace.text) - len(thought)})

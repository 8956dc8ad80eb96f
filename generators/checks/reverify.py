"""Blind re-verification: a trace's reasoning without its stated answer, and a model that must conclude from it.

A trace that was written with the gold in view (LLaVA-CoT, Reason-RFT, open-r1-multimodal rewrite that way) may justify an
answer that its reasoning does not reach. The sentences that state the answer are cut off, the rest is forced as the
start of the reply, and what follows is verified against the gold.
"""

import re
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.guess import forced_thought
from generators.checks.material import Material
from schemas.tags import TAG_SCHEMAS

_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?](?!\s|$)[^.!?\n]*)*(?:[.!?]+(?=\s|$)|\n|$)\s*")
_STATES = re.compile(
    r"\b(?:answer|result|conclusion|solution)\b[^.!?\n]{0,40}?(?:\bis\b|:|=)|\\boxed|\btherefore\b|\bthus\b|\bhence\b"
    r"|</?answer>",
    re.IGNORECASE,
)


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


def without_answer(reasoning: str, answer: str | None) -> str:
    """The reasoning up to its conclusion: sentences at the end are cut while they state the answer.

    A sentence states it if it speaks of the answer ("the answer is", "therefore", a box) or is the last one and ends
    in the answer's own words. Statements further up (the question once more, a plan) are cut where they speak of the answer
    and hold it.
    """
    sentences = [s for s in _SENTENCE.findall(reasoning) if s.strip()]
    stated = (answer or "").strip().strip(".").casefold()
    while sentences and (_STATES.search(sentences[-1]) or _ends_in(sentences[-1], stated)):
        sentences.pop()
    kept = [s for s in sentences if not (stated and stated in s.casefold() and _STATES.search(s))]
    return "".join(kept).strip()


def _ends_in(sentence: str, stated: str) -> bool:
    words = sentence.casefold().strip().strip(".!")
    return bool(stated) and (words == stated or words.endswith(f" {stated}"))

"""Guess tests: what a small model, or any model without reasoning, gets right by answering at once.

Kimi k1.5 (arXiv 2501.12599, section 2.1) asks without chain of thought and removes a prompt answered within 8 tries;
Observe-R1 (arXiv 2505.12432) lets 1-3B models give only the final answer and removes what they get right.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.material import Material
from generators.template import PromptField


class Guess(Check):
    """The question with its images, to be answered at once, `n` tries (8 as published)."""

    type: Literal["guess"] = "guess"
    n: int | None = Field(default=8, ge=1)
    prompt: PromptField | None = "{{ question }}\nGive only the final answer."
    tags: str | None = "plain"
    rule: Literal["chance", "any"] = Field(
        default="chance",
        description="guessable: right more often than chance explains, or (as published) in any of the n tries",
    )

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant of every sample."""
        yield Change()


class DropCot(Check):
    """Answer without reasoning, by instruction or with an empty thought (NoThinking, arXiv 2504.09858).

    As good as with reasoning: there is nothing to reason about. Better: the reasoning hurts.
    """

    type: Literal["drop_cot"] = "drop_cot"
    how: Literal["instruct", "empty_thought"] = "instruct"
    prompt: PromptField | None = Field(
        default=None,
        description="a template that reads `question`; where `instruct` has none, one that asks for the answer alone",
    )

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant of every sample."""
        if self.how == "instruct":
            yield Change(prompt=self.prompt or "{{ question }}\nGive only the final answer.")
        else:
            yield Change(prefix=forced_thought("", self.tags or setting.rollouts.answer_tags))


def forced_thought(reasoning: str, tags: str) -> str:
    """The start of a reply that holds this reasoning and goes on with its answer."""
    from schemas.tags import TAG_SCHEMAS

    schema = TAG_SCHEMAS[tags]
    start = ""
    for section in (s for s in schema.sections if s.within is None):
        if section.name == schema.answer:
            return start + section.open + ("\\boxed{" if schema.inner == "boxed" else "")
        if not section.optional:
            body = reasoning if section.open or section.name == "reasoning" else ""
            start += f"{section.open}{body}{section.close}\n"
            reasoning = ""
    return start

"""What a proof asks of a student: to learn from traces, to learn from a reward, and to reply.

Questions, replies and budgets are plain values, so that whoever trains (the embedded model's own loop, TRL) is one file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image
from pydantic import Field

from schemas.section import Section

Reward = Callable[[Sequence[int], Sequence[str]], Sequence[float | None]]
"""Scores of replies: the question's place in the list of questions, and the reply, one by one; None is unscored."""


@dataclass(frozen=True)
class Question:
    """A prompt as a release stores it: `turns` of role and text, and the images of the last one with their places in its
    text, in characters; without places they come before it."""

    turns: tuple[tuple[str, str], ...]
    images: tuple[Image.Image, ...] = ()
    positions: tuple[int, ...] = ()


class SftBudget(Section):
    """Every SFT takes so many updates of so many rows."""

    steps: int = Field(default=250, ge=1, description="updates")
    batch: int = Field(default=32, ge=1, description="rows of an update")
    rate: float = Field(default=1e-3, gt=0, description="highest learning rate; it rises and then falls to 0")
    warmup: int = Field(default=20, ge=1, description="updates until it is highest")


class RlBudget(Section):
    """Every RL takes so many updates of so many prompts with so many replies each."""

    steps: int = Field(default=60, ge=1, description="updates")
    prompts: int = Field(default=16, ge=1, description="prompts of an update")
    completions: int = Field(default=8, ge=2, description="replies to each, a group")
    rate: float = Field(default=3e-4, gt=0, description="learning rate after the warm-up")
    warmup: int = Field(default=5, ge=1, description="updates until it is reached")
    temperature: float = Field(default=1.0, gt=0, description="of the replies that are drawn")


@dataclass(frozen=True)
class Trained:
    """What became of a training: loss or mean reward of each update, the tokens that it learned from, and for RL the share
    of groups whose rewards all agree, which teach nothing."""

    curve: tuple[float, ...]
    tokens: int
    silent: float | None = None


class Student(Protocol):
    """A model with its trainer. It begins as it was published; `load` takes what `save` wrote."""

    def identity(self) -> dict[str, str]:
        """What decides its replies and its training: names, hashes of weights, versions."""
        ...

    def sft(self, questions: Sequence[Question], replies: Sequence[str], budget: SftBudget, seed: int) -> Trained:
        """Learn to give `replies[i]` to `questions[i]`."""
        ...

    def rl(self, questions: Sequence[Question], reward: Reward, budget: RlBudget, tokens: int, seed: int) -> Trained:
        """Learn from the reward of its own replies, of at most `tokens` tokens each."""
        ...

    def reply(
        self, questions: Sequence[Question], *, number: int, temperature: float, tokens: int, seed: int
    ) -> list[list[str]]:
        """`number` replies to each question; temperature 0 is greedy."""
        ...

    def length(self, texts: Sequence[str]) -> int:
        """The tokens of the longest text."""
        ...

    def save(self, folder: Path) -> None:
        """Write its weights into `folder`, which is there and empty."""
        ...

    def load(self, folder: Path | None) -> None:
        """Take weights that `save` wrote; None: those that it was published with."""
        ...

"""A check: which samples it asks once more, with what changed, and whom."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field, field_validator

from generators.asking.config import AskConfig
from generators.asking.requests import Asking
from generators.checks.material import ImageStore, Material, Media
from generators.template import PromptField, PromptFile, reading_only
from schemas.answer import Answer
from schemas.completion import Sampling
from schemas.section import Section
from schemas.tags import known_tags

Prompt = str | PromptFile


@dataclass(frozen=True)
class Setting:
    """What all checks of a build share. `rollouts` is how the rollouts were asked that variants change; its first model is
    the student, and its `n` how many answers a variant has where its check does not say so. `tags` is the schema by which
    the rollouts' answers were read, None for the one in which they were asked for: variants are read alike, or their rates
    could not be compared."""

    rollouts: AskConfig
    images: ImageStore
    seed: int = 0
    tags: str | None = None

    @cached_property
    def _known(self) -> dict[tuple[Prompt | None, Prompt | None], Asking]:
        return {}

    def asking(self, system: Prompt | None, prompt: Prompt | None) -> Asking:
        """How rows are put: as the rollouts were, but for another system turn or another prompt.

        Worked examples and the beginning of replies are in the words of the rollouts' prompt, so another one has none.
        """
        found = self._known.get((system, prompt))
        if found is None:
            changes: dict[str, Any] = {} if system is None else {"system": system}
            changes |= {} if prompt is None else {"prompt": prompt, "shots": (), "prefix": None}
            found = self._known[system, prompt] = Asking(self.rollouts.model_copy(update=changes))
        return found


@dataclass(frozen=True)
class Refusal:
    """A variant that cannot be made of a sample, with the reason of its dropped row."""

    base: str
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What a variant changes of the sample's own rollout; what is None is as it was there.

    `base` names what is varied where a sample has several variants, `values` are further fields of the prompt.
    """

    base: str = ""
    question: str | None = None
    options: tuple[str, ...] | None = None
    media: tuple[Media, ...] | None = None
    prompt: Prompt | None = None
    prefix: str = ""
    answer: Answer | None = None
    verifier: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


class Check(Section):
    """What every check shares. Whatever is left out is as the rollouts were asked."""

    name: str | None = Field(default=None, description="its name in tables; the type where not given")
    model: str | None = Field(default=None, description="a name from `models`")
    n: int | None = Field(default=None, ge=1, description="samples a variant")
    system: PromptField | None = None
    prompt: PromptField | None = Field(default=None, description="a template that reads `question`")
    sampling: Sampling | None = None
    tags: str | None = Field(default=None, description="where the reply gives its answer (a tag schema)")

    fields: ClassVar[tuple[str, ...]] = ("question",)
    """What its prompt may read."""

    @field_validator("tags")
    @classmethod
    def _known_tags(cls, name: str | None) -> str | None:
        return name if name is None else known_tags(name)

    @field_validator("system", "prompt")
    @classmethod
    def _known_fields(cls, prompt: Prompt | None) -> Prompt | None:
        return None if prompt is None else reading_only(prompt, cls.fields)

    needs: ClassVar[frozenset[str]] = frozenset()
    """What it reads beside the sample: `caption`, `rollouts`, `traces`."""

    @property
    def label(self) -> str:
        return self.name or str(self.type)  # type: ignore[attr-defined]

    def calls(self, n: int) -> int:
        """The most completions that one sample may need, where a variant has `n` unless the check says so."""
        return self.n or n

    def asks(self, student: str) -> str | None:
        """The name of the model that is asked; None: the check asks nobody."""
        return self.model or student

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """The variants of a sample; none where the check is not for such samples."""
        raise NotImplementedError

"""A variant: one sample asked once more with something changed, its gold answer changed with it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import polars as pl
from PIL import Image
from pydantic import Field, field_validator

from generators.prompts import Prompt, asked, known_fields, positions, unseen
from generators.rollouts import RolloutsConfig
from generators.template import Template
from schemas.answer import Answer, dump_answer
from schemas.completion import ImagePart, Message, Sampling
from schemas.ids import canonical_json, content_id
from schemas.marks import moved
from schemas.sample import ANSWER, MEDIA, VERIFIER
from schemas.section import Section

VARIANT = pl.Schema(
    {
        "id": pl.String(),
        "sample_id": pl.String(),
        "check": pl.String(),
        "base": pl.String(),
        "model": pl.String(),
        "n": pl.Int32(),
        "messages": pl.String(),
        "prefix": pl.String(),
        "sampling": pl.String(),
        "tags": pl.String(),
        "media": pl.List(MEDIA),
        "options": pl.List(pl.String),
        "answer": ANSWER,
        "verifier": VERIFIER,
        "detail": pl.String(),
    }
)
"""A row to ask about. `base` says of what it is a variant where a sample has several (a rollout, a trace, a form)."""

Media = Mapping[str, Any]


class Pictures(Protocol):
    """Where derived pictures are kept. `derive` gives the media item of the changed picture, made only once."""

    def derive(
        self, media: Media, op: str, params: Mapping[str, Any], make: Callable[[Image.Image], Image.Image]
    ) -> Media: ...


class Told(NamedTuple):
    """Something a model said about a sample: a rollout (`id` is its index) or a trace."""

    id: str
    text: str
    answer: str | None
    gold_visible: bool = False


@dataclass(frozen=True)
class Material:
    """All that a check may see of a sample. `others` are golds of other samples of its source and kind."""

    id: str
    question: str
    options: tuple[str, ...]
    media: tuple[Media, ...]
    answer: Answer
    verifier: str
    params: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    caption: str | None = None
    replies: tuple[Told, ...] = ()
    traces: tuple[Told, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def pictures(self) -> tuple[Media, ...]:
        return tuple(m for m in self.media if m["kind"] == "image")


class Put(NamedTuple):
    """A variant of the sample `id` before it is put: its question, options and media, and what changes its prompt."""

    id: str
    question: str
    options: tuple[str, ...]
    media: Sequence[Media]
    system: str | None
    prompt: str | None
    values: Mapping[str, str]


@dataclass(frozen=True)
class Setting:
    """What all checks of a build share."""

    rollouts: RolloutsConfig
    pictures: Pictures
    seed: int = 0
    put: "Callable[[Put], Sequence[Message]] | None" = None
    """How a variant is put to a model; None: as `rollouts` asks."""


@dataclass(frozen=True)
class Refusal:
    """A variant that cannot be made of a sample, with the reason of its dropped row."""

    base: str
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What a variant changes of the sample's own rollout; what is None stays as it is."""

    base: str = ""
    question: str | None = None
    options: tuple[str, ...] | None = None
    media: tuple[Media, ...] | None = None
    prompt: str | None = None
    prefix: str = ""
    n: int | None = None
    answer: Answer | None = None
    verifier: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


class Check(Section):
    """What every check shares. Whatever is left out is as in the recipe's `rollouts`."""

    name: str | None = Field(default=None, description="its name in tables; the type where not given")
    model: str | None = Field(default=None, description="a name from `models`")
    n: int | None = Field(default=None, ge=1, description="samples a variant")
    system: str | None = None
    prompt: str | None = Field(default=None, description="{question}, as in `rollouts`")
    sampling: Sampling | None = None
    tags: str | None = Field(default=None, description="where the reply gives its answer (a tag schema)")

    prompt_fields: ClassVar[tuple[str, ...]] = ("question",)
    """What a prompt may name in braces."""

    @field_validator("prompt")
    @classmethod
    def _known_fields(cls, prompt: str | None) -> str | None:
        if prompt is None or "{{" not in prompt:
            return None if prompt is None else known_fields(prompt, cls.prompt_fields)
        for ref in Template(prompt).references:
            if len(ref) > 1 or ref[0] not in cls.prompt_fields:
                raise ValueError(f"this prompt may read {', '.join(cls.prompt_fields)}, and no `{'.'.join(ref)}`")
        return prompt

    needs: ClassVar[frozenset[str]] = frozenset()
    """Stages whose tables it reads, beyond samples."""

    @property
    def label(self) -> str:
        return self.name or str(self.type)  # type: ignore[attr-defined]

    def calls(self, rollouts: RolloutsConfig) -> int:
        """The most completions that one sample may need."""
        return self.n or rollouts.n

    def asks(self, rollouts: RolloutsConfig) -> str | None:
        """The name of the model that is asked; None: the check asks nobody."""
        return self.model or rollouts.models[0]

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """The variants of a sample; none where the check says nothing of such a sample."""
        raise NotImplementedError


def render(check: Check, sample: Material, setting: Setting, change: Change) -> dict[str, Any]:
    """A row of VARIANT."""
    rollouts = setting.rollouts
    shown = sample.media if change.media is None else change.media
    options = sample.options if change.options is None else change.options
    question, media = _placed(sample, change.question, shown)
    if setting.put is not None:
        put = Put(sample.id, question, options, media, check.system, change.prompt or check.prompt, change.values)
        turns = setting.put(put)
    else:
        system = rollouts.system if check.system is None else check.system
        prompt = Prompt(system, change.prompt or check.prompt or rollouts.prompt)
        turns = asked({"question": question, "options": options, "media": media}, prompt, **change.values)
    answer = change.answer or sample.answer
    return {
        "id": content_id(["variant", sample.id, check.label, change.base]),
        "sample_id": sample.id,
        "check": check.label,
        "base": change.base,
        "model": check.asks(rollouts),
        "n": change.n or check.n or rollouts.n,
        "messages": canonical_json([turn.to_json() for turn in turns]),
        "prefix": change.prefix,
        "sampling": (check.sampling or rollouts.sampling).model_dump_json(),
        "tags": check.tags or rollouts.tags,
        "media": [dict(m) for m in media],
        "options": list(options),
        "answer": {"kind": answer.kind, "raw": answer.raw, "parsed": dump_answer(answer)},
        "verifier": {"id": change.verifier or sample.verifier, "params": "{}" if change.verifier else sample.params},
        "detail": canonical_json(dict(change.detail)),
    }


def _placed(sample: Material, question: str | None, media: Sequence[Media]) -> tuple[str, Sequence[Media]]:
    """The question that is asked, and its pictures where they stand in it; `[image]` where they are not shown."""
    row = {"question": sample.question, "media": sample.media}
    places = positions(row)
    asked_as = sample.question if question is None else question
    if not places:
        return asked_as, media
    found = moved(places, sample.question, asked_as)
    if not any(m["kind"] == "image" for m in media):
        whole = unseen(row)
        return (whole if question is None else asked_as.replace(sample.question, whole)), media
    if found is None:
        return asked_as, [{**m, "position": None} for m in media]
    shift = found[0] - places[0]
    return asked_as, [m if m.get("position") is None else {**m, "position": m["position"] + shift} for m in media]


def read_messages(text: str) -> tuple[Message, ...]:
    """The inverse of how a variant stores its messages."""
    turns: Sequence[Mapping[str, Any]] = json.loads(text)
    return tuple(
        Message(t["role"], tuple(p["text"] if "text" in p else ImagePart(p["image"]) for p in t["content"]))
        for t in turns
    )

"""What a check may see of a sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from PIL import Image

from schemas.answer import Answer

Media = Mapping[str, Any]


class ImageStore(Protocol):
    """Where derived images are kept. `derive` gives the media item of the changed image, made only once."""

    def derive(
        self, media: Media, op: str, params: Mapping[str, Any], make: Callable[[Image.Image], Image.Image]
    ) -> Media: ...


class EarlierReply(NamedTuple):
    """What a model replied about a sample before: a rollout (`id` is its index) or a trace."""

    id: str
    text: str
    answer: str | None
    gold_visible: bool = False


@dataclass(frozen=True)
class Material:
    """All that a check may see of a sample.

    `others` are golds of other samples of its source and kind, `row` has what else the rollouts' prompt reads.
    """

    id: str
    question: str
    options: tuple[str, ...]
    media: tuple[Media, ...]
    answer: Answer
    verifier: str
    params: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    caption: str | None = None
    replies: tuple[EarlierReply, ...] = ()
    traces: tuple[EarlierReply, ...] = ()
    others: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> tuple[Media, ...]:
        return tuple(m for m in self.media if m["kind"] == "image")

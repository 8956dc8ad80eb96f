"""What is asked of a model and what came back: the grain of the completions log."""

from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl
from pydantic import Field

from schemas.ids import content_id, hash_text
from schemas.json_row import fault
from schemas.section import Section

KEY_VERSION = 1
"""Raised only when the meaning of a key changes; every stored completion is then asked again."""

FinishReason = Literal["stop", "length", "error"]
ConstraintKind = Literal["choice", "json", "regex"]


class Sampling(Section):
    """Sampling parameters, named as vLLM names them. All of them are part of the key; the number of samples is not."""

    temperature: float = Field(default=1.0, ge=0, description="0: the likeliest token each time")
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="draw among the likeliest tokens of this probability together"
    )
    top_k: int = Field(default=0, ge=0, description="draw among so many of the likeliest tokens; 0 turns it off")
    min_p: float = Field(default=0.0, ge=0, le=1, description="least probability, as a share of the likeliest token's")
    repetition_penalty: float = Field(default=1.0, gt=0, description="above 1, tokens that came before are less likely")
    max_tokens: int = Field(default=256, ge=1, description="a longer reply is cut off")
    stop: tuple[str, ...] = Field(default=(), description="texts at which a reply ends")
    seed: int | None = Field(
        default=None, description="sample i of a request is drawn with a seed derived from this and i"
    )
    logprobs: bool = Field(default=False, description="store the log-probability of each chosen token")


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image inside a message, by the hash of its stored bytes."""

    sha256: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` interleaves texts and images in the order in which the model sees them."""

    role: Literal["system", "user", "assistant"]
    content: tuple[str | ImagePart, ...]

    def to_json(self) -> dict[str, Any]:
        parts = [{"text": p} if isinstance(p, str) else {"image": p.sha256} for p in self.content]
        return {"role": self.role, "content": parts}


@dataclass(frozen=True, slots=True)
class Constraint:
    """The form that a reply must have: `choice` (JSON list of texts, one of which it is), `json` (a JSON schema that it
    meets), `regex` (a regular expression that it matches, all of it)."""

    kind: ConstraintKind
    value: str

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "value": self.value}


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model for row `id`, wanted `n` times (sample indexes `first` … `first + n - 1`).

    `prefix` forces the start of the reply; the completion's text is what follows it. `of` is, in a later turn of a step, the
    place in the row's earlier answers that this one goes on from, or what else tells it apart. `model` is the one of the
    step's models that is asked; None: each of them. `constraint` is the form that the reply must have.
    """

    id: str
    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    n: int = 1
    prefix: str = ""
    first: int = 0
    of: int = 0
    constraint: Constraint | None = None
    model: str | None = None

    @property
    def indexes(self) -> range:
        """The samples that are wanted."""
        return range(self.first, self.first + self.n)

    @property
    def images(self) -> tuple[str, ...]:
        return tuple(p.sha256 for m in self.messages for p in m.content if isinstance(p, ImagePart))


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What decides a model's answers: name, revision (commit or hash of the weights), hash of the chat template."""

    model: str
    revision: str
    template: str

    def to_json(self) -> dict[str, str]:
        return {"model": self.model, "revision": self.revision, "template": self.template}


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply. `finish_reason="length"` is an outcome of its own; `"error"` has the sentence in `error` and no text.

    Tokens are None where nobody counted them: unknown is not zero.
    """

    index: int
    text: str
    finish_reason: FinishReason
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning: str | None = None
    logprobs: tuple[float, ...] | None = None
    error: str | None = None


def prompt_key(identity: ModelIdentity, request: Request) -> str:
    """Everything that decides the distribution of answers; nothing that does not (host, batch size, retries, row id)."""
    asked = {
        "v": KEY_VERSION,
        "model": identity.to_json(),
        "sampling": request.sampling.model_dump(mode="json"),
        "messages": [m.to_json() for m in request.messages],
        "prefix": request.prefix,
    }
    if request.constraint is not None:  # only then, so that what was asked before there were any keeps its key
        asked["constraint"] = request.constraint.to_json()
    return content_id(asked)


def completion_key(prompt: str, index: int) -> str:
    """The key of sample `index` of a prompt: the log's primary key."""
    return hash_text(f"{prompt}:{index}")


COMPLETION = pl.Schema(
    {
        "key": pl.String(),
        "prompt_key": pl.String(),
        "index": pl.Int32(),
        "model": pl.String(),
        "revision": pl.String(),
        "sampling": pl.String(),
        "text": pl.String(),
        "reasoning": pl.String(),
        "finish_reason": pl.String(),
        "prompt_tokens": pl.Int32(),
        "completion_tokens": pl.Int32(),
        "logprobs": pl.List(pl.Float32),
        "error": pl.String(),
        "created_at": pl.Datetime("us", "UTC"),
    }
)
"""A row of the completions log. A failure is no answer, so there is none with `finish_reason="error"`."""

_MAY_BE_NULL = frozenset({"reasoning", "prompt_tokens", "completion_tokens", "logprobs", "error"})


def completion_fault(row: Any) -> str | None:
    """What keeps a line of a journal from being a row of the log, as a clause; None where it is one."""
    wrong = fault(row, COMPLETION, _MAY_BE_NULL)
    if wrong is None and row.get("error") is not None:
        wrong = "'error' is a text, and a failure is no answer"
    if wrong is None and row["finish_reason"] not in ("stop", "length"):
        wrong = f"'finish_reason' is '{row['finish_reason'][:40]}'"
    return wrong

"""Worked examples: turns before the row's own, put in the words of the same prompt."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, Field

from generators.rendering import RenderError
from generators.template import OPTIONS, QUESTION, Template, asked
from schemas.completion import Message
from schemas.errors import nearest
from schemas.section import Section


class Shot(Section):
    """A worked example: a value for each field of the prompt, by its name as the prompt spells it, and the reply."""

    model_config = ConfigDict(extra="allow")

    reply: str = Field(description="what the model is to be taken to have replied")

    @property
    def values(self) -> Mapping[str, Any]:
        return self.model_extra or {}


def turns(shots: Sequence[Shot], prompt: Template) -> Iterator[Message]:
    """The turns of worked examples. They show no images.

    Raises ValueError, in a sentence, for an example that lacks a field of the prompt, or has one that it does not read.
    """
    fields = {".".join(ref) for ref in prompt.references}
    known = fields | ({".".join(OPTIONS)} if QUESTION in prompt.references else set())
    for place, shot in enumerate(shots):
        for name in shot.values:
            if name not in known:
                raise ValueError(f"shots[{place}]: the prompt reads no '{name}'.{nearest(name, known)}")
        try:
            yield from asked(dict.fromkeys(fields) | dict(shot.values), prompt, None, sees=False)
        except RenderError as error:
            raise ValueError(f"shots[{place}]: {error}") from None
        yield Message("assistant", (shot.reply,))

"""An engine of the shape that builds drive, whose replies are a function of what is asked: for loops that answers decide."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from generators.models import identify
from schemas.completion import Completion, Request
from schemas.engine import ModelConfig
from schemas.errors import TransientEngineError

Says = Callable[[Request, int], str | None]
"""A reply to a sample of a request; None: the server cannot be reached for it."""

MODEL = ModelConfig(model="reference-vlm")


class Scripted:
    """Answers with `says`, and keeps what it was asked."""

    concurrency = 8

    def __init__(self, says: Says) -> None:
        self.identity = identify(MODEL)
        self.says = says
        self.asked: list[tuple[Request, int]] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        found = []
        for index in indexes:
            self.asked.append((request, index))
            text = self.says(request, index)
            if text is not None:
                cut = text.endswith("…")
                found.append(Completion(index, text, "length" if cut else "stop", 3, len(text.split())))
        if not found:
            raise TransientEngineError("not reached")
        return found

    def install(self, patch: pytest.MonkeyPatch) -> "Scripted":
        """Let builds of this test ask it, whatever model they name."""
        patch.setattr("generators.engines.select.make_engine", lambda config, media: self)
        return self


def question_of(request: Request) -> str:
    """The text of the last turn."""
    parts: tuple[Any, ...] = request.messages[-1].content
    return "".join(part for part in parts if isinstance(part, str))

"""What waits inside vLLM is bounded in requests, and what is in flight in sequences: both without vLLM."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from generators.engines.vllm.engine import WINDOW, VllmEngine
from schemas.completion import Completion, Request
from schemas.engine import ModelConfig


def test_vllm_has_a_quarter_more_requests_than_places(
    media: Any, ask: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most = 0, 0

    async def generate(
        self: VllmEngine, prompt: Any, request: Request, indexes: list[int], seed: int | None
    ) -> list[Completion]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        return [Completion(index, request.id, "stop") for index in indexes]

    monkeypatch.setattr(VllmEngine, "_generate", generate)
    monkeypatch.setattr(VllmEngine, "_prompt", lambda self, request: {})
    engine = VllmEngine(ModelConfig(model="reference-vlm", engine="vllm", concurrency=8), media)
    engine._engine = object()
    requests = [ask(f"question {number}") for number in range(40)]

    async def all_of_them() -> list[list[Completion]]:
        return await asyncio.gather(*(engine.complete(request, range(2)) for request in requests))

    done = asyncio.run(all_of_them())
    assert [(c.index, c.text) for found in done for c in found] == [(i, r.id) for r in requests for i in range(2)]
    assert most <= 10
    assert engine.concurrency == WINDOW * 8

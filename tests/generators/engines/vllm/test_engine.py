"""What only vLLM does: its engine lives in another process, which can die."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil
import pytest
from vllm_args import vllm_args

from generators.engines.vllm.engine import VllmEngine
from schemas.completion import Constraint, Request
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, EngineDiedError

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

Ask = Callable[..., Request]


def test_a_killed_engine_process_is_a_death_that_a_restart_heals(
    media: Any, run: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    engine = VllmEngine(ModelConfig(model="reference-vlm", engine="vllm", concurrency=8, args=vllm_args()), media)
    run(engine.start())
    request = ask("Describe the image.", media.red, temperature=0, max_tokens=8)
    (first,) = run(engine.complete(request, [0]))

    async def killed_meanwhile() -> list[Any]:
        many = [engine.complete(ask(f"Describe it. {i}", media.red, max_tokens=64), range(16)) for i in range(100)]
        tasks = [asyncio.ensure_future(one) for one in many]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for process in psutil.Process().children(recursive=True):
            if process.pid not in before and "resource_tracker" not in " ".join(process.cmdline()):
                process.kill()
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = run(killed_meanwhile())
    assert any(isinstance(o, EngineDiedError) for o in outcomes)
    assert all(isinstance(o, EngineDiedError | list) for o in outcomes)
    with pytest.raises(EngineDiedError):
        run(engine.complete(request, [0]))
    run(engine.close())
    run(engine.start())
    (again,) = run(engine.complete(request, [0]))
    run(engine.close())
    assert again == first


def test_an_unknown_argument_is_a_config_error(media: Any, run: Any) -> None:
    engine = VllmEngine(ModelConfig(model="reference-vlm", engine="vllm", args={"no_such_field": 1}), media)
    with pytest.raises(ConfigError, match="no_such_field"):
        run(engine.start())


def test_json_under_a_form_is_compact(media: Any, run: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"], "additionalProperties": False}
    asked = ask("Describe the image.", media.red, temperature=1.5, seed=1, max_tokens=64)
    engine = VllmEngine(ModelConfig(model="reference-vlm", engine="vllm", concurrency=8, args=vllm_args()), media)
    run(engine.start())
    done = run(engine.complete(replace(asked, constraint=Constraint("json", json.dumps(schema))), range(20)))
    run(engine.close())
    assert {c.text for c in done} <= {'{"a":1}', '{"a":2}'}

from collections.abc import Iterator
from typing import Any

import pytest
from thinking_model import write_thinking_model
from vllm_args import vllm_args

from generators.engines.vllm.engine import VllmEngine
from schemas.engine import ModelConfig


def _started(config: ModelConfig, media: Any, run: Any) -> Iterator[VllmEngine]:
    patch = pytest.MonkeyPatch()
    patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    engine = VllmEngine(config, media)
    run(engine.start())
    yield engine
    run(engine.close())
    patch.undo()


@pytest.fixture(scope="package")
def thinker(tmp_path_factory: pytest.TempPathFactory, media: Any, run: Any) -> Iterator[VllmEngine]:
    """A model that thinks, behind a reasoning parser, with a context of 32,768 tokens."""
    folder = write_thinking_model(tmp_path_factory.mktemp("thinking"))
    args = vllm_args(reasoning_parser="deepseek_r1", max_model_len=32_768)
    yield from _started(ModelConfig(model=str(folder), engine="vllm", concurrency=8, args=args), media, run)


@pytest.fixture(scope="package")
def viewer(media: Any, run: Any) -> Iterator[VllmEngine]:
    """The reference VLM, of which vLLM counts how often it encodes an image."""
    args = vllm_args(enable_mm_processor_stats=True)
    yield from _started(ModelConfig(model="reference-vlm", engine="vllm", concurrency=32, args=args), media, run)

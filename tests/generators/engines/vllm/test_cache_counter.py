"""What vLLM counts of a step is added up, whatever of it a version of vLLM gives."""

from types import SimpleNamespace

from generators.engines.vllm.cache_counter import CacheCounter
from schemas.engine import CacheUse


def test_steps_add_up() -> None:
    counter = CacheCounter()
    counter.add(SimpleNamespace(requests=1, queries=32, hits=16), SimpleNamespace(requests=1, queries=2, hits=1))
    counter.add(SimpleNamespace(requests=1, queries=8, hits=0), None)
    counter.add(None, None)
    counter.add(SimpleNamespace(), SimpleNamespace(queries=1, hits=1))
    assert counter.use == CacheUse(prompt_tokens=40, cached_tokens=16, images=3, cached_images=2)

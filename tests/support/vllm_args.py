"""How tests start vLLM: the same on a CPU and on a GPU, of which each engine takes a part."""

from pathlib import Path
from typing import Any

from generators.engines.select import GPU_DEVICES


def vllm_args(**more: Any) -> dict[str, Any]:
    """`args` of a model with `engine: vllm`."""
    shared = {"gpu_memory_utilization": 0.15} if any(Path(device).exists() for device in GPU_DEVICES) else {}
    return {"dtype": "float32", "enforce_eager": True, **shared, **more}

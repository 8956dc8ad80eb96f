"""Which server of which model runs on which GPUs of this machine."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from generators.serving.arguments import serve_arguments
from schemas.engine import ModelConfig
from schemas.errors import ConfigError

GPU_FILES = "/dev"
"""Where NVIDIA's driver has a file for each GPU: nvidia0, nvidia1, …"""


@dataclass(frozen=True, slots=True)
class Server:
    """One process: a model by its name in the recipe, its GPUs (none: it runs on the CPU), and its command line."""

    name: str
    gpus: tuple[str, ...]
    port: int
    command: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """What its process has beside what is there."""
        quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        return {**quiet, **({"CUDA_VISIBLE_DEVICES": ",".join(self.gpus)} if self.gpus else {})}


def gpus_here() -> list[str]:
    """The GPUs that this process may use, by what CUDA_VISIBLE_DEVICES calls them."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        return [name.strip() for name in shown.split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=30).stdout
        return [str(number) for number, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]
    except (OSError, subprocess.SubprocessError):
        return [path.name.removeprefix("nvidia") for path in sorted(Path(GPU_FILES).glob("nvidia[0-9]*"))]


def gpus_of(config: ModelConfig) -> int:
    """GPUs of one server of a model: its tensor-parallel group, times its pipeline and data."""
    sizes = (config.args.get(f"{kind}_parallel_size") or 1 for kind in ("tensor", "pipeline", "data"))
    product = 1
    for size in sizes:
        product *= int(size)
    return product


def lay_out(
    models: Mapping[str, ModelConfig],
    gpus: Sequence[str],
    program: Sequence[str],
    host: str = "127.0.0.1",
    port: int = 8000,
) -> list[Server]:
    """As many servers as there is room for, the same share of the GPUs for each model; without GPUs one server a model.
    `program` starts one with what `serve_arguments` gives.

    Raises:
        ConfigError: they do not fit, or a model does not exist.
    """
    found: list[Server] = []
    left, share = list(gpus), len(gpus) // max(1, len(models))
    for name, config in models.items():
        size = gpus_of(config) if gpus else 0
        if size > len(left):
            needed = " + ".join(f"{gpus_of(one)} ({each})" for each, one in models.items())
            raise ConfigError(
                f"the models need {needed} GPUs, and there are {len(gpus)}; serve fewer of them here (--model {name}), or "
                "lower tensor_parallel_size in their args"
            )
        for _ in range(max(1, share // size) if size else 1):
            own, left = tuple(left[:size]), left[size:]
            at = port + len(found)
            found.append(Server(name, own, at, (*program, *serve_arguments(config, host, at))))
    return found

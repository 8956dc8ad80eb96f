"""Which engine answers for a model of the recipe, and what can be known about it before anything is loaded."""

import importlib.util
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from generators.embedded import EMBEDDED
from generators.models import identify
from schemas.engine import Engine, MediaReader, ModelConfig
from schemas.errors import ConfigError, MissingDependencyError

GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""NVIDIA's driver, the same under Windows' Linux, AMD's driver."""

LocalEngine = Literal["transformers", "vllm"]


def make_engine(config: ModelConfig, media: MediaReader) -> Engine:
    """The engine of a model, not yet started.

    Raises:
        ConfigError: no such model, a server without URL or key, or a missing package with its pip command.
    """
    if config.engine == "openai":
        from generators.engines.openai.engine import OpenAIEngine

        return OpenAIEngine(config, media)
    if config.engine == "ray":
        from generators.engines.ray.engine import RayEngine

        return RayEngine(config, media, make_engine)
    if choose_local(config) == "vllm":
        from generators.engines.vllm.engine import VllmEngine

        return VllmEngine(config, media)
    from generators.engines.transformers.engine import TransformersEngine

    return TransformersEngine(config, media)


def choose_local(config: ModelConfig) -> LocalEngine:
    """`auto` is vLLM where it is installed and a GPU is there, else transformers.

    Raises:
        MissingDependencyError: the named engine is not installed.
    """
    has_vllm = _installed("vllm")
    if config.engine == "vllm":
        if not has_vllm:
            raise MissingDependencyError("vllm", "gpu", "engine: vllm")
        return "vllm"
    if config.engine == "auto" and has_vllm and _has_gpu():
        return "vllm"
    for package in ("torch", "transformers"):
        if not _installed(package):
            raise MissingDependencyError(package, "cpu", f"engine: {config.engine}")
    return "transformers"


def check_engine(config: ModelConfig) -> None:
    """Everything about a model that can be found wrong in a moment: package, URL syntax, key, name, weights.

    Raises:
        ConfigError: says what is wrong and the cure.
    """
    if config.engine == "openai":
        from generators.engines.openai.arguments import check_arguments
        from generators.engines.openai.engine import api_key, headers

        if not config.base_urls:
            raise ConfigError(f"the model '{config.model}' needs base_urls: one URL a server, each ending in /v1")
        for url in config.base_urls:
            _check_url(url)
        api_key(config)
        headers(config)
        check_arguments(config.model, config.args)
        if not _installed("aiohttp"):
            raise MissingDependencyError("aiohttp", "cpu", "engine: openai")
        return
    if config.base_urls:
        raise ConfigError(f"the model '{config.model}' has base_urls, which only engine: openai uses")
    if config.engine == "ray":
        if not _installed("ray"):
            raise MissingDependencyError("ray", "ray", "engine: ray")
    elif config.engine == "vllm" or _installed("torch"):
        choose_local(config)
    else:
        raise MissingDependencyError("torch", "cpu", f"engine: {config.engine}")
    if config.model in EMBEDDED or "/" not in config.model:
        identify(config)


def _check_url(url: str) -> None:
    """Raises ConfigError; the message leaves out a password in the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"base_urls: not a URL ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "base_urls: a URL starts with http:// or https:// and names a host, as http://localhost:8000/v1"
        )
    if not parts.path.strip("/"):
        shown = f"{parts.scheme}://{parts.hostname}{f':{port}' if port else ''}"
        raise ConfigError(f"base_urls: {shown} has no path; OpenAI-compatible servers answer under /v1: {shown}/v1")


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _has_gpu() -> bool:
    """Whether a GPU's device file is there. Asking torch would be surer and costs seconds, which validation has not."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1")
    return not hidden and any(Path(device).exists() for device in GPU_DEVICES)

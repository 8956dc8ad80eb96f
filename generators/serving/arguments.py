"""The arguments of `vllm serve` that make a server answer as the engine in process would."""

import json
from collections.abc import Iterator
from typing import Any

from generators.models import resolve
from schemas.engine import ModelConfig

PER_REQUEST = frozenset({"chat_template_kwargs"})
"""Arguments of a model that a server is sent with each request."""

ALWAYS = {
    "chat_template_content_format": "openai",  # left to guess, vLLM joins the parts of a message by a line break
    "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    "enable_prompt_tokens_details": True,  # so that receipts show what the prefix cache held
}
"""Unless the recipe says otherwise; as `engines.vllm` has them in process."""


def serve_arguments(config: ModelConfig, host: str, port: int) -> list[str]:
    """What follows `vllm serve` on the command line. The first use of an embedded model may convert it (half a minute).

    Raises:
        ConfigError: no such model.
    """
    where = resolve(config)
    options: dict[str, Any] = {"host": host, "port": port, "served_model_name": config.model}
    if where.revision is not None:
        options |= {"revision": where.revision, "tokenizer_revision": where.revision}
    options |= {"max_num_seqs": config.concurrency, **ALWAYS}
    options |= {name: value for name, value in config.args.items() if name not in PER_REQUEST}
    return [where.path_or_id, *(word for name, value in options.items() for word in _option(name, value))]


def _option(name: str, value: Any) -> Iterator[str]:
    """vLLM's command line has the fields of its `AsyncEngineArgs` with dashes, mappings as JSON."""
    if value is None:
        return
    dashed = name.replace("_", "-")
    if isinstance(value, bool):
        yield f"--{'' if value else 'no-'}{dashed}"
        return
    yield f"--{dashed}"
    if isinstance(value, list | tuple) and not any(isinstance(item, list | dict) for item in value):
        yield from map(str, value)
    else:
        yield json.dumps(value) if isinstance(value, list | dict) else str(value)

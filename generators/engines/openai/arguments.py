"""What `args` of a model behind a server may hold: fields of a request to the chat completions API."""

from collections.abc import Mapping
from typing import Any

from schemas.errors import ConfigError, nearest

FIELDS = frozenset({
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
    "max_tokens", "metadata", "modalities", "moderation", "parallel_tool_calls", "prediction", "presence_penalty",
    "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort", "response_format",
    "safety_identifier", "seed", "service_tier", "stop", "store", "temperature", "tool_choice", "tools",
    "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
})  # fmt: skip
"""Of the API (OpenAI, Create chat completion, without what names the conversation and how it is sent)."""

OWN = ("chat_template", "chat_template_kwargs", "extra_body")
"""Those that vLLM and others know beside them; `extra_body` holds further fields."""

_ELSEWHERE = {
    "model": "it is `model`",
    "messages": "they are made by the steps",
    "n": "it is the `n` of steps",
    "timeout": "set `timeout_s`",
    "stream": "replies are read whole",
    "stream_options": "replies are read whole",
    "extra_headers": "set `headers_env`",
    "default_headers": "set `headers_env`",
    "extra_query": "put it into `base_urls`",
}


def check_arguments(model: str, args: Mapping[str, Any]) -> None:
    """Raises ConfigError for what is no field of a request."""
    for name in args:
        if name in FIELDS or name in OWN:
            continue
        if name in _ELSEWHERE:
            raise ConfigError(f"args of the model '{model}' may not hold '{name}': {_ELSEWHERE[name]}.")
        raise ConfigError(
            f"args of the model '{model}': '{name}' is no field of the chat completions API."
            f"{nearest(name, sorted(FIELDS))} A field that only this server knows goes into extra_body."
        )
    if not isinstance(args.get("extra_body") or {}, Mapping):
        raise ConfigError(f"args of the model '{model}': extra_body holds fields and their values.")

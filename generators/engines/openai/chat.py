"""Requests in the words of the chat completions API."""

import base64
from collections import OrderedDict
from typing import Any

from generators.engines.constraints import server_parameters
from schemas.completion import Message, Request, Sampling
from schemas.engine import MediaReader

ENCODED_BYTES = 64 << 20
"""Characters of data URLs that are kept; the latest one is, however long."""

_SIGNATURES = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))


class DataUrls:
    """Stored images as data URLs, each encoded once while it is in use."""

    def __init__(self, media: MediaReader, most: int = ENCODED_BYTES) -> None:
        self._media = media
        self._most, self._held = most, 0
        self._urls: OrderedDict[str, str] = OrderedDict()

    def url(self, sha256: str) -> str:
        """Raises MediaError where the image is not stored, or damaged."""
        if sha256 in self._urls:
            self._urls.move_to_end(sha256)
            return self._urls[sha256]
        data = self._media.read(sha256)
        kind = next((name for start, name in _SIGNATURES if data.startswith(start)), "image/png")
        url = self._urls[sha256] = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        self._held += len(url)
        while self._held > self._most and len(self._urls) > 1:
            self._held -= len(self._urls.popitem(last=False)[1])
        return url


def chat_messages(request: Request, urls: DataUrls) -> list[dict[str, Any]]:
    """The conversation; a forced start of the reply is its last, unfinished turn."""
    messages = [_message(m, urls) for m in request.messages]
    if request.prefix:
        messages.append({"role": "assistant", "content": request.prefix})
    return messages


def _message(message: Message, urls: DataUrls) -> dict[str, Any]:
    if all(isinstance(p, str) for p in message.content):
        return {"role": message.role, "content": "".join(str(p) for p in message.content)}
    parts: list[dict[str, Any]] = []
    for part in message.content:
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        else:
            parts.append({"type": "image_url", "image_url": {"url": urls.url(part.sha256)}})
    return {"role": message.role, "content": parts}


def chat_parameters(request: Request, args: dict[str, Any], limit_name: str) -> dict[str, Any]:
    """Everything of a call but messages, model, n and seed. `args` of the recipe come last and win.

    What the API does not know (top-k, min-p, repetition penalty, template options, continuing the last turn, choices and
    regular expressions as forms) travels in `extra_body`, in vLLM's names, and only where it is used: other servers may
    refuse unknown fields.
    """
    sampling = request.sampling
    named: dict[str, Any] = {"temperature": sampling.temperature, limit_name: sampling.max_tokens}
    if sampling.top_p < 1:
        named["top_p"] = sampling.top_p
    if sampling.stop:
        named["stop"] = list(sampling.stop)
    if sampling.logprobs:
        named["logprobs"] = True
    extra = _extra(sampling)
    if request.constraint is not None:
        known, own_names = server_parameters(request.constraint)
        named |= known
        extra |= own_names
    if request.prefix:
        extra |= {"continue_final_message": True, "add_generation_prompt": False}
    own = dict(args)
    extra |= {k: own.pop(k) for k in ("chat_template", "chat_template_kwargs") if k in own}
    extra |= dict(own.pop("extra_body", None) or {})
    return named | own | ({"extra_body": extra} if extra else {})


def _extra(sampling: Sampling) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if sampling.top_k:
        extra["top_k"] = sampling.top_k
    if sampling.min_p:
        extra["min_p"] = sampling.min_p
    if sampling.repetition_penalty != 1:
        extra["repetition_penalty"] = sampling.repetition_penalty
    return extra

"""Requests in the words of the chat completions API."""

import base64
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from generators.engines.constraints import server_parameters
from generators.engines.openai.arguments import OWN
from schemas.completion import Message, Request, Sampling
from schemas.engine import MediaReader

ENCODED_BYTES = 64 << 20
"""Bytes of data URLs that are kept; the latest one is, however long."""

_SIGNATURES = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))


class DataUrls:
    """Stored images as data URLs, each encoded once while it is in use."""

    def __init__(self, media: MediaReader, most: int = ENCODED_BYTES) -> None:
        self._media = media
        self._most, self._held = most, 0
        self._urls: OrderedDict[str, bytes] = OrderedDict()

    def url(self, sha256: str) -> bytes:
        """It needs no escapes in JSON. Raises MediaError where the image is not stored, or damaged."""
        if sha256 in self._urls:
            self._urls.move_to_end(sha256)
            return self._urls[sha256]
        data = self._media.read(sha256)
        kind = next((name for start, name in _SIGNATURES if data.startswith(start)), "image/png")
        url = self._urls[sha256] = b"data:%s;base64,%s" % (kind.encode(), base64.b64encode(data))
        self._held += len(url)
        while self._held > self._most and len(self._urls) > 1:
            self._held -= len(self._urls.popitem(last=False)[1])
        return url


def chat_messages(request: Request, urls: DataUrls) -> list[bytes]:
    """The conversation, as pieces of JSON; a forced start of the reply is its last, unfinished turn.

    Images are most of it, and are JSON already: each is a piece, which is not copied.
    """
    pieces = [piece for message in request.messages for piece in (b", ", *_message(message, urls))]
    if request.prefix:
        pieces += [b", ", _json({"role": "assistant", "content": request.prefix})]
    return [b"[", *pieces[1:], b"]"]


def chat_body(model: str, messages: Sequence[bytes], parameters: Mapping[str, Any]) -> list[bytes]:
    """The body of a call, in pieces. Raises TypeError or ValueError for parameters that JSON has no form for."""
    others = _json(parameters).replace(b"{", b", ", 1)
    return [b'{"model": ', _json(model), b', "messages": ', *messages, others]


def _message(message: Message, urls: DataUrls) -> list[bytes]:
    if all(isinstance(p, str) for p in message.content):
        return [_json({"role": message.role, "content": "".join(str(p) for p in message.content)})]
    pieces = [b'{"role": "%s", "content": [' % message.role.encode()]
    for number, part in enumerate(message.content):
        before = b", " if number else b""
        if isinstance(part, str):
            pieces.append(before + _json({"type": "text", "text": part}))
        else:
            before += b'{"type": "image_url", "image_url": {"url": "'
            pieces += [before, urls.url(part.sha256), b'"}}']
    return [*pieces, b"]}"]


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def chat_parameters(request: Request, args: dict[str, Any], limit_name: str) -> dict[str, Any]:
    """Everything of a call but messages, model, n and seed. `args` of the recipe come last and win.

    What the API does not know (top-k, min-p, repetition penalty, template options, continuing the last turn, choices and
    regular expressions as forms) travels in vLLM's names, and only where it is used: other servers may refuse unknown
    fields.
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
    own = {name: value for name, value in args.items() if name not in OWN}
    extra |= {name: args[name] for name in OWN if name in args and name != "extra_body"}
    return named | own | extra | dict(args.get("extra_body") or {})


def _extra(sampling: Sampling) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if sampling.top_k:
        extra["top_k"] = sampling.top_k
    if sampling.min_p:
        extra["min_p"] = sampling.min_p
    if sampling.repetition_penalty != 1:
        extra["repetition_penalty"] = sampling.repetition_penalty
    return extra

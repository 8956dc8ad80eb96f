"""Replies of the chat completions API, read as they come: whatever a server may say, an odd choice costs itself only."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.completion import Completion, FinishReason
from schemas.engine import CacheUse

# Tuples: what a server puts in their place may be a list, which no set can look up.
_LENGTH = ("length", "max_tokens")
_TEXT_PARTS = (None, "text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning")
_PLACE = re.compile(r"[0-9]{1,9}")


class OddReplyError(ValueError):
    """A part of a reply that is not of the API's shape; says which."""


def choices_of(body: Any) -> list[Any]:
    """The choices of a reply; none where the body is not one."""
    choices = body.get("choices") if isinstance(body, Mapping) else None
    return choices if isinstance(choices, list) else []


def completions(body: Mapping[str, Any], indexes: Sequence[int], wants_logprobs: bool) -> list[Completion]:
    """The choices of a reply, for as many of `indexes` as it has; a choice that cannot be read is an error that says why.

    Servers count the tokens of all choices together; they are shared out by length. What they do not count is None.
    """
    choices = _in_order(choices_of(body))[: len(indexes)]
    prompt_tokens, total = _count(body, "prompt_tokens"), _count(body, "completion_tokens")
    read = [_read(choice, index, wants_logprobs) for choice, index in zip(choices, indexes, strict=False)]
    shares = _shares(total, [len(c.text) + len(c.reasoning or "") + 1 for c in read])
    return [
        Completion(
            c.index,
            c.text,
            c.finish_reason,
            prompt_tokens,
            share if c.logprobs is None else len(c.logprobs),
            c.reasoning,
            c.logprobs,
            c.error,
        )
        for c, share in zip(read, shares, strict=True)
    ]


def _in_order(choices: list[Any]) -> list[Any]:
    """Choices by their `index`, or in their given order where the indexes tell none."""
    places = [choice.get("index") if isinstance(choice, Mapping) else None for choice in choices]
    numbers = [int(p) if isinstance(p, int) or (isinstance(p, str) and _PLACE.fullmatch(p)) else -1 for p in places]
    if min(numbers, default=-1) < 0 or len(set(numbers)) < len(numbers):
        return choices
    return [choice for _, choice in sorted(zip(numbers, choices, strict=True), key=lambda pair: pair[0])]


def _read(choice: Any, index: int, wants_logprobs: bool) -> Completion:
    try:
        return _completion(choice, index, wants_logprobs)
    except OddReplyError as error:
        why = str(error)
    except RecursionError:
        why = "a choice is nested too deeply"
    return Completion(index, "", "error", error=f"the server's reply cannot be read: {why}")


def _completion(choice: Any, index: int, wants_logprobs: bool) -> Completion:
    if not isinstance(choice, Mapping):
        raise OddReplyError("a choice is no object")
    reason = choice.get("finish_reason")
    message = choice.get("message")
    if not isinstance(message, Mapping):
        if reason == "content_filter":
            message = {}
        else:
            raise OddReplyError("a choice has no message")
    text, thought = text_and_thought(message.get("content"))
    reasoning = _thought(message) or thought
    withheld = message.get("refusal") if not text else None
    if reason == "content_filter" or withheld:
        return Completion(index, "", "error", error=f"the server withheld the reply: {withheld or 'content_filter'}")
    finish: FinishReason = "length" if reason in _LENGTH else "stop"
    logprobs = _logprobs(choice.get("logprobs")) if wants_logprobs else None
    return Completion(index, text, finish, reasoning=reasoning, logprobs=logprobs)


def text_and_thought(content: Any) -> tuple[str, str | None]:
    """What a message says, and what its parts call thinking. Raises OddReplyError where it is neither text nor parts."""
    if content is None or isinstance(content, str):
        return content or "", None
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part.get("type") in _THOUGHT_PARTS:
            kind = str(part["type"])
            thoughts.append(text_and_thought(part.get(kind, part.get("text")))[0])
        elif isinstance(part, Mapping) and part.get("type") in _TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            kind = str(part.get("type", "object")) if isinstance(part, Mapping) else type(part).__name__
            raise OddReplyError(f"its content has a part of the kind '{kind[:40]}'")
    return "".join(texts), "".join(thoughts) or None


def _thought(message: Mapping[str, Any]) -> str | None:
    """The reasoning that the server split from the reply: `reasoning_content`, or `reasoning`."""
    for name in ("reasoning_content", "reasoning"):
        try:
            text, inner = text_and_thought(message.get(name))
        except OddReplyError:
            continue
        if text or inner:
            return text or inner
    return None


def _logprobs(given: Any) -> tuple[float, ...] | None:
    tokens = given.get("content") if isinstance(given, Mapping) else None
    if not isinstance(tokens, list):
        return None
    values = [token.get("logprob") if isinstance(token, Mapping) else None for token in tokens]
    try:
        numbers = tuple(float(value) for value in values if isinstance(value, int | float))
    except OverflowError:  # a whole number beyond all floats
        return None
    return numbers if len(numbers) == len(values) else None


def cache_use(body: Mapping[str, Any]) -> CacheUse:
    """What a server found of a prompt in its prefix cache, by `usage.prompt_tokens_details.cached_tokens`; nothing of one
    that does not say. (vLLM says so with `--enable-prompt-tokens-details`.)"""
    usage = body.get("usage")
    details = usage.get("prompt_tokens_details") if isinstance(usage, Mapping) else None
    cached, tokens = _number(details, "cached_tokens"), _count(body, "prompt_tokens")
    return CacheUse() if cached is None or tokens is None else CacheUse(tokens, min(cached, tokens))


def _count(body: Mapping[str, Any], name: str) -> int | None:
    return _number(body.get("usage"), name)


def _number(counts: Any, name: str) -> int | None:
    count = counts.get(name) if isinstance(counts, Mapping) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**31 else None


def _shares(total: int | None, weights: list[int]) -> list[int] | list[None]:
    """Part a total by weights so that the parts add up to it; nothing is known of parts of an unknown total."""
    if total is None:
        return [None] * len(weights)
    whole = sum(weights)
    ends = [total * sum(weights[: i + 1]) // whole for i in range(len(weights))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]

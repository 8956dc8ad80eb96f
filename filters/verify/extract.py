"""Where in a response the answer stands. Everything after looks at this span only, never at the whole trace."""

from schemas.tags import TAG_SCHEMAS, TagSchema, last_boxed

_OPEN, _CLOSE = "<answer>", "</answer>"
_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"


def answer_span(response: str, tags: str = "think_answer") -> str | None:
    """The answer's text, or None.

    The last `<answer>` wins (its closing mark may have been eaten by a stop string), else the last balanced
    `\\boxed{}`, else what the tag schema says. Only the text after the last `</think>` is looked at. Of a thought that
    was never closed, only an `<answer>` that ends the response counts: inside a thought, an answer is a plan. A
    `\\boxed{}` inside the span is unwrapped.
    """
    schema = TAG_SCHEMAS[tags]
    reply = _after_thought(response)
    span = _last_answer(reply)
    if span is None:
        span = last_boxed(reply) if "box" in reply else None
        if span is None:
            span = _by_schema(response, reply, schema)
    elif "box" in span:
        span = last_boxed(span) or span
    return (span.strip() or None) if span is not None else None


def section(response: str, name: str) -> str | None:
    """The text of the last `<name>…</name>`, wherever it stands; None when there is none. For composite answers."""
    close = response.rfind(f"</{name}>")
    start = response.rfind(f"<{name}>", 0, close) if close >= 0 else -1
    return response[start + len(name) + 2 : close].strip() if start >= 0 else None


def _after_thought(response: str) -> str:
    end = response.rfind(_THINK_CLOSE)
    if end >= 0:
        return response[end + len(_THINK_CLOSE) :]
    if not response.lstrip().startswith(_THINK_OPEN):
        return response
    start = response.rfind(_OPEN)
    return response[start:] if start >= 0 and response.rstrip().endswith(_CLOSE) else ""


def _last_answer(reply: str) -> str | None:
    start = reply.rfind(_OPEN)
    if start < 0:
        return None
    start += len(_OPEN)
    end = reply.find(_CLOSE, start)
    return reply[start:] if end < 0 else reply[start:end]


def _by_schema(response: str, reply: str, schema: TagSchema) -> str | None:
    if schema.inner == "boxed":
        return None
    part = next(s for s in schema.sections if s.name == schema.answer)
    if part.open:
        start = reply.rfind(part.open)
        if start < 0:
            return None
        start += len(part.open)
        end = reply.find(part.close, start) if part.close else -1
        return reply[start:] if end < 0 else reply[start:end]
    if len(schema.sections) > 1 and reply is response:
        return None  # the answer is the tail of a thought that was never there
    return reply

"""Where in a response the answer stands. Everything after looks at this span only, never at the whole trace."""

from schemas.reply import marked_answer, said_in, thinks
from schemas.tags import TAG_SCHEMAS, TagSchema


def answer_span(response: str, tags: str = "think_answer") -> str | None:
    """The answer's text, or None.

    The last `<answer>` wins (its closing mark may have been eaten by a stop string), else the last balanced
    `\\boxed{}`, else what the tag schema says. Only what the response says after its thinking is looked at
    (`schemas.reply`): inside a thought, an answer is a plan. A `\\boxed{}` inside the span is unwrapped.
    """
    said = said_in(response)
    found = marked_answer(said)
    span = found.answer if found is not None else _by_schema(response, said, TAG_SCHEMAS[tags])
    return (span.strip() or None) if span is not None else None


def section(response: str, name: str) -> str | None:
    """The text of the last `<name>…</name>`, wherever it stands; None when there is none. For composite answers."""
    close = response.rfind(f"</{name}>")
    start = response.rfind(f"<{name}>", 0, close) if close >= 0 else -1
    return response[start + len(name) + 2 : close].strip() if start >= 0 else None


def _by_schema(response: str, said: str, schema: TagSchema) -> str | None:
    if schema.inner == "boxed":
        return None
    part = next(s for s in schema.sections if s.name == schema.answer)
    if part.open:
        start = said.rfind(part.open)
        if start < 0:
            return None
        start += len(part.open)
        end = said.find(part.close, start) if part.close else -1
        return said[start:] if end < 0 else said[start:end]
    if len(schema.sections) > 1 and not thinks(response):
        return None  # the answer is the tail of a thought that was never there
    return said

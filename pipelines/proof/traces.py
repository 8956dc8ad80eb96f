"""The traces of a release changed in one thing: without their thoughts, or each with the thought of another row."""

from collections.abc import Sequence
from random import Random

from pipelines.proof.rows import Rows
from schemas.tags import TAG_SCHEMAS, parse_tags, render, thoughts


def without_thoughts(rows: Rows) -> Rows:
    """The same rows with their answers alone, in the same tags. A reply that cannot be read in its tags stays as it is."""
    return rows.saying([_put(text, tags, None) for text, tags in _each(rows)])


def shuffled(rows: Rows, seed: int) -> Rows:
    """The same rows, each with its own answer and the thought of another row; no row keeps its own place."""
    order = list(range(len(rows)))
    Random(f"{seed}:shuffled").shuffle(order)
    lender = dict(zip(order, order[1:] + order[:1], strict=True))
    return rows.saying([_put(text, tags, rows.replies[lender[i]]) for i, (text, tags) in enumerate(_each(rows))])


def has_thoughts(rows: Rows) -> bool:
    """Whether most rows have a thought beside their answer."""
    found = [_sections(text, tags) for text, tags in _each(rows)]
    return sum(one is not None and any(one.values()) for one in found) * 2 > len(found)


def _each(rows: Rows) -> list[tuple[str, str]]:
    return list(zip(rows.replies, _tags(rows), strict=True))


def _tags(rows: Rows) -> Sequence[str]:
    return rows.columns["tags"]


def _sections(text: str, tags: str) -> dict[str, str] | None:
    """The thoughts of a reply by the names of their sections; None where its tags have none, or it cannot be read."""
    schema = TAG_SCHEMAS[tags]
    parsed = parse_tags(text, schema)
    if parsed.violation is not None or not thoughts(schema):
        return None
    return {name: parsed.sections.get(name, "") for name in thoughts(schema)}


def _put(text: str, tags: str, lender: str | None) -> str:
    """A reply with the thoughts of the `lender`, which is of the same tags, or with none."""
    schema = TAG_SCHEMAS[tags]
    own, other = _sections(text, tags), _sections(lender, tags) if lender is not None else {}
    answer = parse_tags(text, schema).sections.get(schema.answer)
    if own is None or other is None or answer is None:
        return text
    return render(schema, {**dict.fromkeys(own, ""), **other, schema.answer: answer})

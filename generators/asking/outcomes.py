"""What an answer gives: its values where it has the form that was asked for, else what is wrong with it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from generators.asking.columns import single, thought
from generators.asking.config import AskConfig
from schemas.answer_span import answer_span
from schemas.completion import FinishReason
from schemas.reading import Reading, answer_by, read_reply, whole_sentences
from schemas.reply import content_of
from schemas.reply_shape import parse
from schemas.tags import TAG_SCHEMAS


class Answer(NamedTuple):
    """A sample that was wanted of a model; `sample` is its index, `place` its place among the answers of its
    row and model.

    `finish_reason` is None where the model was not reached.
    """

    place: int
    turn: int
    of: int
    sample: int
    text: str | None
    reasoning: str | None
    finish_reason: FinishReason | None
    tokens: int | None
    error: str | None


class Outcome(NamedTuple):
    """`cause` says in a word why there are no `values` of the reply's form; None where there are.

    `text` is all of the reply, with what it was made to begin with, and `spoken` what it says after its thinking. `whole`
    says whether it is what was asked for, so that no other sample is tried.
    """

    cause: str | None
    whole: bool = False
    text: str | None = None
    spoken: str | None = None
    reading: Reading | None = None
    values: Mapping[str, Any] = MappingProxyType({})


def read(answer: Answer, config: AskConfig, prefix: str, *, prose: bool) -> Outcome:
    """What one answer gives. `prefix` is how it was made to begin, `prose` says that all it says is an answer.

    Causes: `unanswered` (the model was not reached), `error`, `truncated`, `empty`, `unreadable`.
    """
    if answer.finish_reason is None or answer.finish_reason == "error":
        return Outcome("unanswered" if answer.finish_reason is None else "error")
    text, cut = prefix + (answer.text or ""), answer.finish_reason == "length"
    reading = read_reply(text, answer.reasoning, config.answer_pattern, cut=cut, prose=prose)
    spoken = content_of(text).strip()
    if config.reply != "text":
        return _formed(config, text, spoken, reading, answer.reasoning or "", cut=cut)
    if config.makes is None:
        cause = "truncated" if cut else None if spoken else "empty"
        return Outcome(cause, cause is None, text, spoken, reading)
    cause = "empty" if not reading.reasoning and reading.final is None else None
    return Outcome(cause, reading.final is not None, text, spoken, reading)


def _formed(config: AskConfig, text: str, spoken: str, reading: Reading, field: str, *, cut: bool) -> Outcome:
    """A reply that was asked for in a form; `field` is what the server put into a field of reasoning."""
    assert config.reply != "text"
    tags = config.reply.tags
    if tags is not None:
        values = parse(config.reply, text, thought=field)
        reading = _sections(text, reading, values, tags, cut=cut)
    else:
        words = spoken if config.answer_pattern is None else _stated(config.answer_pattern, spoken)
        values = parse(config.reply, words, single(config.reply) or "")
        reading = Reading(reading.reasoning if reading.thinking else "", None, None, reading.thinking)
    cause = None if values is not None else "truncated" if cut else "unreadable"
    return Outcome(cause, cause is None, text, spoken, reading, values or {})


def _stated(pattern: str, spoken: str) -> str:
    """Where a reply gives its answer, by the recipe's own pattern; nothing where it gives none."""
    found = answer_by(pattern, spoken)
    return "" if found is None else found.answer


def _sections(text: str, reading: Reading, values: Mapping[str, Any] | None, tags: str, *, cut: bool) -> Reading:
    """A reply in sections, read. Its answer is what verifiers, and so rewards, take for it; of one that was cut off, an
    answer that has an end of its own."""
    schema, found = TAG_SCHEMAS[tags], values or {}
    final = reading.final if cut else answer_span(text, tags) or found.get(schema.answer)
    own = thought(schema, found) if found else None
    reasoning = reading.reasoning if own is None else own
    return Reading(reasoning, final, found.get("summary"), reading.thinking)


def concluded(outcome: Outcome, conclusion: Answer, config: AskConfig) -> Outcome:
    """The same with the answer that it was made to give; unchanged where it gave none then either."""
    final = content_of(conclusion.text or "").strip().rstrip(".").strip()
    if conclusion.finish_reason not in ("stop", "length") or not final or outcome.reading is None:
        return outcome
    text = beginning(outcome.reading, config.conclude or "") + (conclusion.text or "")
    old, values = outcome.reading, outcome.values
    reasoning = old.reasoning if old.thinking else f"{old.reasoning} {config.conclude} {final}."
    reading, cause = Reading(reasoning, final, old.summary, old.thinking), outcome.cause
    if config.reply != "text" and config.reply.tags is not None:
        values = parse(config.reply, text) or {}
        reading = _sections(text, reading, values, config.reply.tags, cut=True)
        cause = None if values else cause
    return Outcome(cause, True, text, content_of(text).strip(), reading, values)


def beginning(reading: Reading, sentence: str) -> str:
    """The start of a reply that has thought so far, up to the sentence that makes it conclude.

    One that marks its thoughts sees by the mark that they end here.
    """
    thoughts = whole_sentences(reading.reasoning)
    return f"<think>\n{thoughts}\n</think>\n\n{sentence}" if reading.thinking else f"{thoughts} {sentence}"

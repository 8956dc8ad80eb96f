"""How rows become messages: the one place where a question, its options and its pictures are put into words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from schemas.completion import ImagePart, Message
from schemas.marks import SPOKEN, cut, put_marks

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def question_text(question: str, options: Sequence[str] | None) -> str:
    """The question, and its options on a line of their own: `A) red B) blue`."""
    return f"{question}\n{lettered(options)}" if options else question


def lettered(options: Sequence[str]) -> str:
    """Options with their letters: `A) red B) blue`."""
    return " ".join(f"{LETTERS[i]}) {option}" for i, option in enumerate(options))


def stem(question: str, options: Sequence[str]) -> str | None:
    """The question without a list of its options at its end; None where it names all of them in another way."""
    listed = question_text("", options)
    bare = question.removesuffix(listed) if options else question
    named = len(options) > 1 and all(option and option in bare for option in options)
    return None if named else bare


def images(row: Mapping[str, Any]) -> tuple[ImagePart, ...]:
    """The row's pictures, in order."""
    return tuple(ImagePart(m["sha256"]) for m in row["media"] or () if m["kind"] == "image")


def positions(row: Mapping[str, Any]) -> tuple[int, ...]:
    """Where the row's pictures stand in its question, in order; none where they stand before it.

    They are places, whatever picture stands in them: media in another order are shown in that order.
    """
    found = [m.get("position") for m in row.get("media") or () if m["kind"] == "image"]
    return () if None in found else tuple(sorted(p for p in found if p is not None))


def content(row: Mapping[str, Any], template: str, suffix: str = "", **values: Any) -> tuple[str | ImagePart, ...]:
    """A user turn: the row's pictures and the template, filled, with each picture where it stands in the question.

    A template that names the question twice shows the pictures where it names it first.
    """
    values["question"] = question_text(row["question"], row["options"])
    return among(row, template.format(**values) + suffix, _start(template, values))


def among(row: Mapping[str, Any], text: str, start: int | None) -> tuple[str | ImagePart, ...]:
    """A text that holds the row's question from `start` on, with each of its images where it stands in the question.

    They stand before the text where `start` is None, and where they have no positions.
    """
    shown = images(row)
    if start is None or not positions(row):
        return (*shown, text)
    first, *pieces = cut(text, [start + position for position in positions(row)])
    parts = [first, *(part for pair in zip(shown, pieces, strict=True) for part in pair)]
    return tuple(part for part in parts if part != "")


def _start(template: str, values: Mapping[str, Any]) -> int | None:
    """Where the question begins in the filled template; None where the template does not hold it as it is."""
    start = 0
    for literal, name, spec, conversion in Formatter().parse(template):
        start += len(literal)
        if name == "question" and not spec and not conversion:
            return start
        if name is not None:
            how = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            start += len(f"{{{name}{how}}}".format(**values))
    return None


def unseen(row: Mapping[str, Any]) -> str:
    """The question for one who sees no pictures: it says `[image]` where one stands among its words."""
    return put_marks(row["question"], positions(row), SPOKEN)


def conversation(system: str | None, *content: str | ImagePart) -> tuple[Message, ...]:
    """A system turn, if there is one, and a user turn."""
    turns = (Message("system", (system,)),) if system else ()
    return (*turns, Message("user", content))


@dataclass(frozen=True, slots=True)
class Prompt:
    """How a question is put: a system turn, a template of `{question}`, and a text after it, which has no fields."""

    system: str | None = None
    template: str = "{question}"
    suffix: str = ""


def asked(row: Mapping[str, Any], prompt: Prompt, **values: Any) -> tuple[Message, ...]:
    """The messages that put a row (`question, options, media`) to a model; `values` are further fields of the template.

    What students are asked and what a release holds both come from here.
    """
    return conversation(prompt.system, *content(row, prompt.template, prompt.suffix, **values))


def turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages as roles and texts. Their pictures are left to columns of their own, see `shown` and `places`."""
    return [{"role": m.role, "content": "".join(p for p in m.content if isinstance(p, str))} for m in messages]


def shown(messages: Sequence[Message]) -> list[ImagePart]:
    """The pictures of messages, in the order in which the model sees them."""
    return [part for message in messages for part in message.content if isinstance(part, ImagePart)]


def places(messages: Sequence[Message]) -> list[int]:
    """Where the pictures of the last message stand in its text, in characters; none where all stand before it."""
    found, length = [], 0
    for part in messages[-1].content:
        if isinstance(part, str):
            length += len(part)
        else:
            found.append(length)
    return found if any(found) else []

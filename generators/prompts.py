"""How rows become messages: the one place where a question, its options and its images are put into words."""

from collections.abc import Mapping, Sequence
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
    """The row's images, in order."""
    return tuple(ImagePart(m["sha256"]) for m in row["media"] or () if m["kind"] == "image")


def positions(row: Mapping[str, Any]) -> tuple[int, ...]:
    """Where the row's images are in its question, in order; none where they are before it.

    They are places, whatever image is in them: media in another order are shown in that order.
    """
    found = [m.get("position") for m in row.get("media") or () if m["kind"] == "image"]
    return () if None in found else tuple(sorted(p for p in found if p is not None))


def among(row: Mapping[str, Any], text: str, start: int | None) -> tuple[str | ImagePart, ...]:
    """A text that holds the row's question from `start` on, with each of its images where it is in the question.

    They are before the text where `start` is None, and where they have no positions.
    """
    shown = images(row)
    if start is None or not positions(row):
        return (*shown, text)
    first, *pieces = cut(text, [start + position for position in positions(row)])
    parts = [first, *(part for pair in zip(shown, pieces, strict=True) for part in pair)]
    return tuple(part for part in parts if part != "")


def unseen(row: Mapping[str, Any]) -> str:
    """The question for one who sees no images: it says `[image]` where one is among its words."""
    return put_marks(row["question"], positions(row), SPOKEN)


def conversation(system: str | None, *content: str | ImagePart) -> tuple[Message, ...]:
    """A system turn, if there is one, and a user turn."""
    turns = (Message("system", (system,)),) if system else ()
    return (*turns, Message("user", content))


def turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages as roles and texts. Their images are left to columns of their own, see `shown` and `places`."""
    return [{"role": m.role, "content": "".join(p for p in m.content if isinstance(p, str))} for m in messages]


def shown(messages: Sequence[Message]) -> list[ImagePart]:
    """The images of messages, in the order in which the model sees them."""
    return [part for message in messages for part in message.content if isinstance(part, ImagePart)]


def places(messages: Sequence[Message]) -> list[int]:
    """Where the images of the last message are in its text, in characters; none where all are before it."""
    found, length = [], 0
    for part in messages[-1].content:
        if isinstance(part, str):
            length += len(part)
        else:
            found.append(length)
    return found if any(found) else []

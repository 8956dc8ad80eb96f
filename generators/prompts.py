"""How rows become messages: the one place where a question, its options and its pictures are put into words."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.completion import ImagePart, Message

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def question_text(question: str, options: Sequence[str] | None) -> str:
    """The question, and its options on a line of their own: `A) red B) blue`."""
    if not options:
        return question
    return question + "\n" + " ".join(f"{LETTERS[i]}) {option}" for i, option in enumerate(options))


def stem(question: str, options: Sequence[str]) -> str | None:
    """The question without a list of its options at its end; None where it names all of them in another way."""
    listed = question_text("", options)
    bare = question.removesuffix(listed) if options else question
    named = len(options) > 1 and all(option and option in bare for option in options)
    return None if named else bare


def images(row: Mapping[str, Any]) -> tuple[ImagePart, ...]:
    """The row's pictures, in order."""
    return tuple(ImagePart(m["sha256"]) for m in row["media"] or () if m["kind"] == "image")


def conversation(system: str | None, *content: str | ImagePart) -> tuple[Message, ...]:
    """A system turn, if there is one, and a user turn."""
    turns = (Message("system", (system,)),) if system else ()
    return (*turns, Message("user", content))

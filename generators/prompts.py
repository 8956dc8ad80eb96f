"""How rows become messages: the one place where a question, its options and its pictures are put into words."""

from collections.abc import Collection, Mapping, Sequence
from string import Formatter
from typing import Any

from pydantic import AfterValidator

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


def knows(*names: str) -> AfterValidator:
    """Marks a prompt of a config that `str.format` fills with `names`; see `known_fields`."""
    return AfterValidator(lambda prompt: known_fields(prompt, names))


def fields(prompt: str) -> list[str]:
    """The fields that `str.format` fills, in order."""
    return [field for _, field, _, _ in Formatter().parse(prompt) if field is not None]


def known_fields(prompt: str, names: Collection[str]) -> str:
    """The prompt, if `str.format` can fill it with `names`. Raises ValueError in a sentence for any other field."""
    for field in fields(prompt):
        if field not in names:
            known = ", ".join(f"{{{name}}}" for name in sorted(names))
            raise ValueError(
                f"{{{field}}} is no field of this prompt; it knows {known}; a brace is written as {{{{ or }}}}"
            )
    return prompt

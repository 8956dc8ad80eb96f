"""How rows become messages: the one place where a question, its options and its pictures are put into words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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
    question = question_text(row["question"], row["options"])
    text = prompt.template.format(question=question, **values) + prompt.suffix
    return conversation(prompt.system, *images(row), text)


def same_prompt(one: Prompt, other: Prompt) -> bool:
    """Whether two prompts put every question in the same words."""
    row = {"question": "\0", "options": None, "media": None}
    return asked(row, one) == asked(row, other)


def turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages as roles and texts. Their pictures, which stand first, are left to a column of their own."""
    return [{"role": m.role, "content": "".join(p for p in m.content if isinstance(p, str))} for m in messages]


def shown(messages: Sequence[Message]) -> list[ImagePart]:
    """The pictures of messages, in the order in which the model sees them."""
    return [part for message in messages for part in message.content if isinstance(part, ImagePart)]


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

"""Conversations as trainers read them: strings with a mark `<image>` an image, or parts."""

import base64
from collections.abc import Iterable
from typing import Any

from pipelines.export.image_tokens import COMMON, check_marks, escape, marked_question
from pipelines.export.rows import Image, Row
from pipelines.export.sheet import reply

Turns = list[dict[str, str]]


def turns(system: str | None, user: str, assistant: str | None = None) -> Turns:
    """A conversation of strings."""
    contents = (("system", system), ("user", user), ("assistant", assistant))
    return [{"role": role, "content": content} for role, content in contents if content is not None]


def marked(row: Row, last: str | None = None, marks: Iterable[str] = COMMON) -> Turns:
    """System turn, question with a mark an image at its place, and the row's reply `last`: response, chosen, rejected.

    Nothing else in it reads as one of `marks`. UnfitError where a mark stays that is of no image, or the reply is empty.
    """
    marks = tuple(marks)
    last_turn = None if last is None else escape(reply(row, last), marks)
    made = turns(row.system and escape(row.system, marks), marked_question(row, marks), last_turn)
    check_marks(len(row.images), *(turn["content"] for turn in made))
    return made


def spoken(row: Row, last: str, marks: Iterable[str] = COMMON) -> dict[str, str]:
    """A reply of the row as a turn."""
    return {"role": "assistant", "content": escape(reply(row, last), marks)}


def pieces(row: Row) -> list[str | Image]:
    """The question's texts, in which nothing reads as a mark, and images, in the order in which the model sees them."""
    return [escape(piece) if isinstance(piece, str) else piece for piece in row.pieces]


def data_uri(image: Image) -> str:
    """An image as an address that holds it, for trainers that know no relative paths."""
    suffix = image.name.rpartition(".")[2].lower()
    kind = suffix if suffix in ("webp", "gif", "bmp") else "jpeg" if image.data.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(image.data).decode('ascii')}"


def texts(contents: Iterable[str | None]) -> list[dict[str, Any]]:
    """Parts as TRL's templates read them: a text, or an image where it is null."""
    return [{"type": "image" if text is None else "text", "text": text} for text in contents]

"""Conversations whose contents are lists of parts: texts and images, in the order in which the model sees them."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from pipelines.export.image_tokens import escape
from pipelines.export.rows import Image, Row
from pipelines.export.sheet import reply

Part = dict[str, Any]


def part_turns(**keys: pa.DataType) -> pa.DataType:
    """The Arrow type of such conversations, whose parts have `type`, `text` and `keys`; what a part lacks is null."""
    part = pa.struct({"type": pa.string(), "text": pa.string(), **keys})
    return pa.list_(pa.struct({"role": pa.string(), "content": pa.list_(part)}))


def in_parts(row: Row, image: Callable[[Image], Part], last: str | None = None) -> list[dict[str, Any]]:
    """System turn, question and the row's reply `last`: response, chosen, rejected. `image` makes the part of an image.

    Images have parts of their own, so no text may read as one: a text that mentions `<image>` says `[image]`.
    """
    contents: list[tuple[str, list[str | Image]]] = [("system", [row.system])] if row.system else []
    contents.append(("user", row.pieces))
    if last is not None:
        contents.append(("assistant", [reply(row, last)]))
    return [
        {"role": role, "content": [_text(piece) if isinstance(piece, str) else image(piece) for piece in pieces]}
        for role, pieces in contents
    ]


def _text(text: str) -> Part:
    return {"type": "text", "text": escape(text)}

"""What each trainer makes of a row of its export, as `load_dataset` gives it: one reader for each exporter.

`tests/pipelines/export/test_row_kinds.py` reads every kind of row with them, and writes the table of `docs/trainers.md`.
"""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from pipelines.export.image_tokens import escape
from schemas.marks import MARK, cut

Record = dict[str, Any]


class Seen(NamedTuple):
    """The question with a mark where each image is, the images' pixels, and the replies: one, or better and worse.

    None for replies where prompts alone are read.
    """

    question: str
    images: list[bytes]
    replies: list[str] | None


Reader = Callable[[Record, Path], Seen]


def pixels(image: Any) -> bytes:
    """The pixels of an image: of PIL's, of bytes, of `{bytes, path}`, or in a file."""
    if isinstance(image, dict):
        image = image["bytes"] or image["path"]
    opened = (
        image
        if isinstance(image, Image.Image)
        else Image.open(io.BytesIO(image) if isinstance(image, bytes) else image)
    )
    found: bytes = opened.convert("RGB").tobytes()
    return found


def in_front(question: str, images: int) -> str:
    """As trainers show a question without marks: all images before it."""
    return MARK * images + question


def contents(turns: list[dict[str, str]]) -> list[str]:
    return [turn["content"] for turn in turns if turn["role"] == "assistant"]


def user(turns: list[dict[str, Any]]) -> Any:
    return next(turn["content"] for turn in turns if turn["role"] == "user")


def joined(content: Any, images: int) -> str:
    """A turn's content: parts, or a string with all images before it."""
    if isinstance(content, str):
        return in_front(content, images)
    return "".join(part["text"] if part["type"] == "text" else MARK for part in content)


def _parts_text(turn: dict[str, Any]) -> str:
    content = turn["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def trl(row: Record, home: Path) -> Seen:
    turns = row.get("messages") or row["prompt"]
    shown = [pixels(image) for image in row.get("images") or []]
    said = [turn for turn in turns if turn["role"] == "assistant"]
    said += [turn for name in ("completion", "chosen", "rejected") for turn in row.get(name) or []]
    return Seen(joined(user(turns), len(shown)), shown, [_parts_text(turn) for turn in said])


def llama_factory(row: Record, home: Path) -> Seen:
    replies = contents(row["messages"]) + [row[name]["content"] for name in ("chosen", "rejected") if row.get(name)]
    return Seen(user(row["messages"]), [pixels(home / path) for path in row.get("images") or []], replies)


def verl(row: Record, home: Path) -> Seen:
    turns = row.get("messages") or row["prompt"]
    return Seen(user(turns), [pixels(image) for image in row.get("images") or []], contents(turns))


def easyr1(row: Record, home: Path) -> Seen:
    return Seen(row["problem"], [pixels(image) for image in row.get("images") or []], [])


def ms_swift(row: Record, home: Path) -> Seen:
    worse = [row["rejected_response"]] if row.get("rejected_response") else []
    shown = [pixels(image) for image in row.get("images") or []]
    return Seen(user(row["messages"]), shown, contents(row["messages"]) + worse)


def openrlhf(row: Record, home: Path) -> Seen:
    shown = [pixels(image) for image in row.get("images") or []]
    return Seen(joined(user(row["prompt"]), len(shown)), shown, [])


def openrlhf_m(row: Record, home: Path) -> Seen:
    parts = user(json.loads(row["message"]))
    addresses = [part["image"] for part in parts if part["type"] == "image"]
    shown = [pixels(base64.b64decode(address.split("base64,", 1)[1])) for address in addresses]
    return Seen(joined(parts, len(shown)), shown, [])


def _files_in_parts(row: Record, home: Path, key: str) -> Seen:
    asked = user(row["messages"])
    named = [part[key] for part in asked if part["type"] == "image"] if isinstance(asked, list) else []
    said = [_parts_text(turn) for turn in row["messages"] if turn["role"] == "assistant"]
    return Seen(joined(asked, 0), [pixels(home / path) for path in named], said)


def axolotl(row: Record, home: Path) -> Seen:
    return _files_in_parts(row, home, "path")


def unsloth(row: Record, home: Path) -> Seen:
    return _files_in_parts(row, home, "image")


def address(uri: str) -> bytes:
    """The bytes in a `data:` address."""
    return base64.b64decode(uri.split("base64,", 1)[1])


def slime(row: Record, home: Path) -> Seen:
    return Seen(user(row["messages"]), [pixels(address(uri)) for uri in row.get("images") or []], [])


def skyrl(row: Record, home: Path) -> Seen:
    asked = user(row["prompt"])
    parts = [part for part in asked if part["type"] == "image_url"] if isinstance(asked, list) else []
    return Seen(joined(asked, 0), [pixels(address(part["image_url"]["url"])) for part in parts], [])


def rllm(row: Record, home: Path) -> Seen:
    asked = user(row["messages"])
    parts = [part for part in asked if part["type"] == "image_url"] if isinstance(asked, list) else []
    return Seen(joined(asked, 0), [pixels(home / part["image_url"]["url"]) for part in parts], [])


def hugging_face(row: Record, home: Path) -> Seen:
    shown = [pixels(image) for image in row.get("images") or []]
    places = row.get("image_positions") or [0] * len(shown)
    replies = [row[name] for name in ("response", "chosen", "rejected") if row.get(name)]
    return Seen(MARK.join(map(escape, cut(row["question"], places))), shown, list(map(escape, replies)))


def environment(row: Record, home: Path) -> Seen:
    shown = [pixels(home / part["image"]) for part in row["content"] if part["type"] == "image"]
    parts = [
        part | {"text": escape(part["text"])} for part in row["content"]
    ]  # to the letter there, with marks in words
    return Seen(joined(parts, 0), shown, None)


def areal(row: Record, home: Path) -> Seen:
    shown = [pixels(image) for image in row.get("images") or []]
    said = [_parts_text(turn) for turn in row["messages"] if turn["role"] == "assistant"]
    return Seen(joined(user(row["messages"]), len(shown)), shown, said)


READERS: dict[str, Reader] = {
    reader.__name__: reader
    for reader in (
        *(trl, llama_factory, verl, easyr1, ms_swift, openrlhf, openrlhf_m),
        *(axolotl, unsloth, slime, skyrl, areal, rllm, hugging_face),
    )
}
READERS |= {"roll": verl, "nemo_rl": areal, "inspect": environment, "verifiers": environment}
"""Every exporter's reader, by its name."""

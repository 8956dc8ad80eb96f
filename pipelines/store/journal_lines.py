"""The lines of a journal: a row each, as JSON behind a hash of it, so that a line that has changed is known and is none."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.store.workspace import replacing
from schemas.ids import hash_text

Fault = Callable[[Any], str | None]
"""What is wrong with a line's value: a clause, or None where it is a row of the log."""


class Lines(NamedTuple):
    """What a journal holds: its rows, and the lines that are none, each with what is wrong with it."""

    rows: list[dict[str, Any]]
    odd: list[tuple[bytes, str]]


def read_lines(data: bytes, fault: Fault) -> Lines:
    """The rows of a journal. A last line that was torn by a crash or a full disk is nobody's; an odd one costs itself."""
    found = Lines([], [])
    for line in io.BytesIO(data):
        value, wrong = _value(line.removesuffix(b"\n"), fault)
        if wrong is None:
            found.rows.append(value)
        elif line.endswith(b"\n"):
            found.odd.append((line, wrong))
    return found


def _value(line: bytes, fault: Fault) -> tuple[Any, str | None]:
    """What a line says, and what keeps it from being a row."""
    digest, _, text = line.partition(b" ")
    if digest != _digest(text):
        return None, "it is not what was written"
    try:
        value = json.loads(text)
        return value, fault(value)
    except (ValueError, RecursionError) as error:
        return None, f"it is not JSON ({type(error).__name__})"


def set_aside(journal: Path, odd: list[tuple[bytes, str]]) -> Path:
    """Keep lines that are no rows in a file beside their journal, named by what it holds; returns its path."""
    data = b"".join(line for line, _ in odd)
    path = journal.parent / f"aside-{hash_text(data.hex())[:16]}.jsonl"
    with replacing(path, lasting=True) as temporary:  # its journal is about to go
        temporary.write_bytes(data)
    return path


def to_line(row: Mapping[str, Any]) -> bytes:
    """A row as a line; ASCII, so that no byte of it can end a line but its own end."""
    return sealed(json.dumps(row, ensure_ascii=True).encode())


def now() -> str:
    """The time, as rows have it in `created_at`."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def well_formed(text: str) -> str:
    """A text that a table of UTF-8 can hold: models and sources give halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode()


def sealed(text: bytes) -> bytes:
    """A line of this text, with its hash before it."""
    return _digest(text) + b" " + text + b"\n"


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=8).hexdigest().encode()

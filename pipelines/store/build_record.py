"""The file in which a build keeps its record: `builds/<recipe>/build.json`, and how it is known to be whole.

It is the one file that decides what counts as done, so it is sealed by a hash of what it says. One that was cut off, edited,
or written by another edition of curate says nothing, and everything is computed again from the logs.
"""

from pathlib import Path
from typing import Any

from pipelines.store.workspace import read_json, write_json
from schemas.ids import content_id

LAYOUT = 6
"""Raised when the layout of step folders or of the record changes; every step is then computed again from the log."""

NAME = "build.json"


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of the build in `folder`; None where there is none, or it is not as it was written."""
    found = read_json(folder / NAME)
    if not isinstance(found, dict) or found.get("layout") != LAYOUT:
        return None
    seal = found.pop("seal", None)
    return found if seal == _seal(found) else None


def write_record(record: dict[str, Any], folder: Path) -> None:
    """Write the record of the build in `folder`."""
    write_json({"seal": _seal(record), **record}, folder / NAME)


def _seal(record: dict[str, Any]) -> str | None:
    try:
        return content_id(record)
    except (ValueError, RecursionError):  # a number that is none, or more brackets than can be followed
        return None

"""JSON files that say by a hash of themselves whether they are as they were written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.store.workspace import read_json, write_json
from schemas.ids import content_id


def write_sealed(value: Mapping[str, Any], path: Path) -> None:
    """Write a JSON object with its seal."""
    write_json({"seal": _seal(value), **value}, path)


def read_sealed(path: Path) -> dict[str, Any] | None:
    """The JSON object at `path`, without its seal; None where there is none, or it is not what was written."""
    found = read_json(path)
    if not isinstance(found, dict):
        return None
    seal = found.pop("seal", None)
    return found if seal == _seal(found) else None


def _seal(value: Mapping[str, Any]) -> str | None:
    try:
        return content_id(value)
    except (ValueError, RecursionError):  # a number that is none, or more brackets than can be followed
        return None

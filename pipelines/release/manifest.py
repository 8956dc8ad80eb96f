"""What a release says of itself, read back, and whether its files are still what it was made of."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.store.workspace import BUILD_NAME, read_json
from schemas.errors import ConfigError

_LABEL = re.compile(rf"{BUILD_NAME}/v[0-9]+")
"""Folders are named after it, so a release of somebody else's may not have just any."""


def read_manifest(release: Path, *needs: str) -> dict[str, Any]:
    """The manifest of the release at `release`, with the keys `name`, `version` and `needs`. Raises ConfigError without."""
    read = read_json(release / "manifest.json")
    found: dict[str, Any] = read if isinstance(read, dict) else {}
    if not {"name", "version", *needs} <= found.keys() or not _LABEL.fullmatch(f"{found['name']}/{found['version']}"):
        raise ConfigError(
            f"{release / 'manifest.json'} is damaged or of an older version of curate. "
            f"Copy {release} again whole, or remove it and build its recipe again."
        )
    return found


def check_files(release: Path, files: Iterable[Mapping[str, Any]], *, hashes: bool = False) -> None:
    """Raise ConfigError where one of a manifest's `files` is gone or has another size or, with `hashes`, other bytes."""
    for file in files:
        path = release / file["path"]
        same = path.is_file() and path.stat().st_size == file["bytes"]
        if not same or (hashes and file_hash(path) != file["sha256"]):
            raise ConfigError(
                f"{path} is not what the release was made of: it is gone, damaged or was changed. "
                f"Copy {release} again whole, or remove it and build its recipe again."
            )


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

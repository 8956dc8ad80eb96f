"""Reads the manifest of a release, and checks that its files are still those that it was made of."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.store.workspace import BUILD_NAME, read_json
from schemas.errors import ConfigError

FORMAT = 2
"""Raised when the keys of a manifest or the folders of a release change: one of another format is refused."""

_LABEL = re.compile(rf"{BUILD_NAME}/v[0-9]+")
"""Folders are named after it, so it is checked in a release that comes from somebody else."""


def read_manifest(release: Path, *needs: str) -> dict[str, Any]:
    """The manifest of the release at `release`.

    Raises ConfigError unless it is of this `FORMAT` and has the keys `name`, `version` and `needs`.
    """
    read = read_json(release / "manifest.json")
    found: dict[str, Any] = read if isinstance(read, dict) else {}
    whole = found.get("format") == FORMAT and {"name", "version", *needs} <= found.keys()
    if not whole or not _LABEL.fullmatch(f"{found['name']}/{found['version']}"):
        raise ConfigError(
            f"{release / 'manifest.json'} is damaged or of another version of curate. "
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

"""What a manifest says of the files of a release, and how a file is held to it."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines.store.workspace import reading
from schemas.digests import bytes_hash, file_hash


def table_entry(path: Path, release: Path, rows: int) -> dict[str, Any]:
    """What a manifest's `files` say of a table."""
    return {"path": name_in(path, release), "rows": rows, "bytes": path.stat().st_size, "sha256": file_hash(path)}


def content_of(files: Iterable[Mapping[str, Any]]) -> str:
    """The hash of the tables, by which a version is known again."""
    return bytes_hash(json.dumps(list(files), sort_keys=True).encode())


def file_entry(path: Path, release: Path) -> dict[str, Any]:
    """What a manifest says of a file that is no table (`beside`)."""
    return {"path": name_in(path, release), "bytes": path.stat().st_size, "sha256": file_hash(path)}


def is_file_entry(file: Any, kind: str) -> bool:
    """Whether an entry of a manifest's `files` or `beside` names a file below the release, and what it is."""
    if not isinstance(file, dict):
        return False
    path, numbers = file.get("path"), ("rows", "bytes") if kind == "files" else ("bytes",)
    below = isinstance(path, str) and path and not path.startswith("/") and ".." not in PurePosixPath(path).parts
    counted = all(type(file.get(number)) is int and 0 <= file[number] < 1 << 62 for number in numbers)
    return bool(below and counted and isinstance(file.get("sha256"), str))


def differs(path: Path, file: Mapping[str, Any]) -> str | None:
    """What is wrong with a file, as the end of a sentence about it; None where it is what the manifest says.

    StoreError, as `size_of`, where no file can be read.
    """
    size = size_of(path)
    if size is None:
        return "is gone"
    if size != file["bytes"]:
        return f"is damaged or was changed: it has {size:,} bytes, not {file['bytes']:,}"
    try:
        with reading(path):
            same = file_hash(path) == file["sha256"]
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if same else "is damaged or was changed: its SHA-256 is not that of the manifest"


def size_of(path: Path) -> int | None:
    """The bytes of a regular file; None where there is none."""
    try:
        with reading(path):
            return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def name_in(path: Path, release: Path) -> str:
    """A path as manifests write it."""
    return path.relative_to(release).as_posix()

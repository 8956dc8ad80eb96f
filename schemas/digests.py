"""Hashes of bytes and of files: SHA-256, in names of images and parts, records of builds and manifests of releases alike, so
that `sha256sum` checks each."""

import hashlib
from pathlib import Path
from typing import BinaryIO

SHORT = 32
"""How many of the 64 digits are kept where many hashes are: in names of parts, and in records of steps."""

_BLOCK = 1 << 20


def bytes_hash(data: bytes) -> str:
    """The SHA-256 of bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def span_hash(file: BinaryIO, start: int, size: int) -> str:
    """The SHA-256 of `size` bytes of a file from `start` on, or of those that there are."""
    digest, left = hashlib.sha256(), size
    file.seek(start)
    while left and (block := file.read(min(left, _BLOCK))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()

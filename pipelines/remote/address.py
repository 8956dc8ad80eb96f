"""Addresses of workspaces: which are understood, and a sentence for each that is not, before anything runs."""

import re
from pathlib import Path
from typing import NamedTuple

from schemas.errors import ConfigError, nearest

SCHEMES = ("s3", "file")

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_PATTERN = re.compile(r"[*?\[\]{}#\x00-\x1f\x7f]")
"""What the client of a store would take for a pattern or a version, and so for the objects of others."""

_REFUSED = {
    "gs": "there is no conditional write for it here, by which two builds are kept apart; keep the workspace at s3:// or "
    "on a disk",
    "gcs": "there is no conditional write for it here, by which two builds are kept apart; keep the workspace at s3:// or "
    "on a disk",
    "hf": "the Hub has no conditional writes, by which two builds are kept apart; keep the workspace at s3:// or on a disk, "
    "and send releases to the Hub with `curate push`",
    "memory": "what it held would be gone with this process; name a folder",
}


class Address(NamedTuple):
    """Where a workspace lies in an object store. `prefix` has no slash at its ends, and may be empty."""

    scheme: str
    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    def key(self, name: str) -> str:
        """The key of an object of the workspace."""
        return f"{self.prefix}/{name}" if self.prefix else name


def is_address(where: str) -> bool:
    """Whether a workspace is named by an address, and not by a path."""
    return "://" in where


def local_path(where: str) -> Path:
    """The folder that a file:// address names. Raises ConfigError where it names another machine's, or none."""
    host, slash, path = where.removeprefix("file://").partition("/")
    if host not in ("", "localhost"):
        raise ConfigError(
            f"--workspace: '{where}' names the machine '{host}', and file:// is a folder of this one; write "
            f"file:///{host}{slash}{path} for the path /{host}{slash}{path}, or mount that machine's folder here."
        )
    if not slash:
        raise ConfigError(f"--workspace: '{where}' names no folder; write file:///FOLDER.")
    return Path(f"/{path}")


def parsed(where: str) -> Address:
    """An address of an object store. Raises ConfigError for one that cannot hold a workspace."""
    scheme, _, rest = where.partition("://")
    if scheme in _REFUSED:
        raise ConfigError(f"A workspace cannot lie at {scheme}://: {_REFUSED[scheme]}.")
    if scheme not in SCHEMES:
        known = " and ".join(f"{name}://" for name in SCHEMES)
        raise ConfigError(
            f"--workspace: '{scheme}://' is not supported; there are paths, {known}.{nearest(scheme, SCHEMES)}"
        )
    bucket, _, prefix = rest.partition("/")
    if "@" in rest or ":" in bucket:  # a secret may have a slash in it
        raise ConfigError(
            f"--workspace: {scheme}:// has credentials in its address; put them in AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or a profile."
        )
    parts = prefix.strip("/").split("/") if prefix.strip("/") else []
    if (found := _PATTERN.search(prefix)) is not None:
        raise ConfigError(f"--workspace: a folder in a bucket has no {found[0]!r} in its name; name one place.")
    if not _BUCKET.fullmatch(bucket) or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"--workspace: '{where}' names no place; write {scheme}://BUCKET/FOLDER.")
    return Address(scheme, bucket, "/".join(parts))

"""Where a workspace lies on this machine: a path is itself, an address has a working copy.

A process that gets an address by `place` (a worker on another machine too) has all that is published there, in a working
copy of its own; `address_of` is what to send it.
"""

import hashlib
import os
import re
from pathlib import Path

from pipelines.remote.address import is_address, local_path, parsed
from pipelines.remote.working_copy import WorkingCopy

_COPIES: dict[Path, WorkingCopy] = {}
"""The working copies of this process, by their folders. A folder alone never makes one: it may come from a stranger."""


def cache_folder() -> Path:
    """Below which working copies lie: CURATE_CACHE, or the user's own folder of caches."""
    named = os.environ.get("CURATE_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()).resolve() / "curate"


def named(where: str) -> Path:
    """The folder of a workspace that is named by a path or an address; connects to nothing. Raises ConfigError."""
    if not is_address(where):
        return Path(where)
    if where.startswith("file://"):
        return local_path(where)
    address = parsed(where)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", str(address).partition("://")[2])[:60]
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    digest = hashlib.sha256(f"{address} {endpoint}".encode()).hexdigest()[:12]
    root = cache_folder() / "workspaces" / f"{address.scheme}_{plain}_{digest}"
    if root not in _COPIES:
        _COPIES[root] = WorkingCopy(address, root)
    return root


def place(where: str, *, beside: bool = False) -> Path:
    """The folder of a workspace, with all that is published there. Raises ConfigError, and StoreError where the store is
    away.

    A process `beside` the one that builds, on its machine, uses the same folder and looks at nothing for itself.
    """
    root = named(where)
    copy = _COPIES.get(root)
    if copy is not None and beside:
        copy.alone, copy.seen = False, True
    if copy is not None and not copy.seen:
        copy.refresh()
    return root


def refresh() -> None:
    """See what is published in the workspaces that this process has named and not looked at yet."""
    for copy in list(_COPIES.values()):
        if not copy.seen:
            copy.refresh()


def copy_of(path: Path) -> WorkingCopy | None:
    """The working copy that a path lies in; None for one of a disk."""
    for root, copy in _COPIES.items():
        if path.is_relative_to(root):
            return copy
    return None


def here(path: Path) -> Path:
    """A file, which is fetched where it lies in an object store and not here yet."""
    copy = copy_of(path)
    if copy is not None:
        copy.fetch(path)
    return path


def whole(folder: Path) -> Path:
    """A release, or a folder of one, of which every file is fetched that lies in an object store and not here yet."""
    copy = copy_of(folder)
    if copy is not None:
        copy.releases.complete(folder)
    return folder


def shown(path: Path) -> str:
    """What a user calls a file or folder of a workspace: by its address, where it has one."""
    copy = copy_of(path)
    return str(path) if copy is None else f"{copy.address}/{copy.releases.name(path) or copy.name(path)}"


def remove(path: Path) -> None:
    """Remove a file, also where it is published. Nothing happens where it is gone."""
    copy = copy_of(path)
    if copy is not None:
        copy.objects.delete([copy.name(path)])
        copy.forget()
    path.unlink(missing_ok=True)


def address_of(root: Path) -> str:
    """What names a workspace on any machine: its address, or its path where it has none."""
    copy = _COPIES.get(root)
    return str(root) if copy is None else str(copy.address)

"""Links of a workspace: what lies behind one that leads out of it is neither written nor removed.

A workspace may come from somebody else, as the `curate_out` beside their recipe, and builds and `curate gc` clear up in it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from pipelines.store.allowed_paths import resolved_inside
from schemas.errors import ConfigError


def check_place(root: Path, path: Path) -> None:
    """Raise ConfigError where links lead a path below `root` out of it. A path of elsewhere is the caller's own choice."""
    if not path.is_relative_to(root):
        return
    try:
        inside = resolved_inside(path, [root])
    except (OSError, RuntimeError):
        inside = None
    if inside is None:
        raise ConfigError(
            f"{path} leads out of {root} by a link, and what lies there could be written over or removed. Take the link "
            "away; to keep a workspace elsewhere, name that folder with --workspace."
        )


def check_links(root: Path, folder: Path) -> None:
    """The same of every link below a folder of `root`."""
    for link in _links(folder):
        check_place(root, link)


def _links(folder: str | Path) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # what cannot be listed is told by whoever reads it
        return
    for entry in entries:
        if entry.is_symlink():
            yield Path(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            yield from _links(entry.path)

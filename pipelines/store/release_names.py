"""What files of a release may be called, so that a manifest from elsewhere names no code and no other place."""

import re
from collections.abc import Iterable
from pathlib import Path

CONFIG = re.compile(r"[a-z_][a-z0-9_]*")
"""What a config may be called."""
_TABLE = re.compile(rf"{CONFIG.pattern}/part-[0-9]{{5,}}\.parquet|dropped\.parquet")
IMAGE = r"[0-9a-f]{64}\.[a-z0-9]{1,8}"
"""What an image is called: the hash of its bytes, and what it is."""
_BESIDE = re.compile(rf"README\.md|croissant\.json|(?:card_)?images/{IMAGE}")


def well_named(tables: Iterable[str], beside: Iterable[str]) -> bool:
    """Whether these are the names of tables, and of the other files, of a release, each once on any file system."""
    tables, beside = list(tables), list(beside)
    once = len({name.casefold() for name in (*tables, *beside)}) == len(tables) + len(beside)
    return once and all(map(_TABLE.fullmatch, tables)) and all(map(_BESIDE.fullmatch, beside))


def leads_out(path: Path, release: Path) -> bool:
    """Whether a file is a link to one that is neither of the release nor, as the Hub's cache has it, of the `blobs` beside
    its `snapshots`."""
    if not path.is_symlink():
        return False
    root = release.resolve()
    homes = [root, *([root.parents[1] / "blobs"] if root.parent.name == "snapshots" else [])]
    try:
        return not any(path.resolve().is_relative_to(home) for home in homes)
    except (OSError, RuntimeError):  # links in a circle
        return True

"""Whether a path stays in the folders that it may name, once every link in it is resolved."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from schemas.errors import ConfigError


def resolved_inside(path: Path, folders: Iterable[Path]) -> Path | None:
    """The path with its links and `..` resolved where it lies in one of `folders`, else None. It need not exist.

    Raises ValueError for a null character, OSError or RuntimeError for links that go in circles.
    """
    resolved = path.resolve()
    return resolved if any(resolved.is_relative_to(folder.resolve()) for folder in folders) else None


def found_inside(path: Path, folder: Path, place: str) -> None:
    """Raise ConfigError where a file that was found below a folder, and that nobody named, is a link that leads out of it.

    The Hub's cache, in which a snapshot is a folder of links to the blobs beside it, may be read.
    """
    try:
        inside = resolved_inside(path, (folder, *_blobs(folder)))
    except (OSError, RuntimeError, ValueError):
        inside = None
    if inside is None:
        raise ConfigError(
            f"{place}: '{path}' is a link that leads out of the folder '{folder}'. If you want what it leads to, name that "
            "file in 'path'."
        )


def _blobs(folder: Path) -> Iterator[Path]:
    """The blobs of the repository in the Hub's cache whose snapshot a folder is, or is in."""
    resolved = folder.resolve()
    for each in (resolved, *resolved.parents):
        if each.parent.name == "snapshots":
            yield each.parent.parent / "blobs"

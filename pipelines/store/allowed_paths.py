"""Whether a path stays in the folders that it may name, once every link in it is resolved."""

from collections.abc import Iterable
from pathlib import Path


def resolved_inside(path: Path, folders: Iterable[Path]) -> Path | None:
    """The path with its links and `..` resolved where it lies in one of `folders`, else None. It need not exist.

    Raises ValueError for a null character, OSError or RuntimeError for links that go in circles.
    """
    resolved = path.resolve()
    return resolved if any(resolved.is_relative_to(folder.resolve()) for folder in folders) else None

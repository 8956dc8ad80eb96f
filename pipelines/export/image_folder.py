"""Images as files, for trainers that read paths: each once, under the name that is the hash of its bytes."""

import re
from pathlib import Path

from pipelines.export.rows import HASHED, Image
from schemas.digests import bytes_hash

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


class ImageFolder:
    """`images/ab/<sha256>.png` below an export that is being written: 256 folders, so a million images stay 4,000 each.

    Files are made by the first row that shows them.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def place(self, image: Image) -> str:
        """Write the image, unless an earlier row did, and return its path relative to the export."""
        name = image.name if HASHED.fullmatch(image.name) else _name(image)
        relative = Path("images") / name[:2] / name
        path = self._root / relative
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image.data)
        return relative.as_posix()


def _name(image: Image) -> str:
    suffix = Path(image.name).suffix
    if not _SUFFIX.fullmatch(suffix):
        suffix = ".jpg" if image.data.startswith(b"\xff\xd8") else ".png"
    return bytes_hash(image.data) + suffix

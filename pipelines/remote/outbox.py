"""Which files of a working copy the store does not have yet: an empty file each, so that a kill loses none of it."""

import time
from pathlib import Path
from urllib.parse import quote, unquote

FORGOTTEN_SECONDS = 600.0


class Outbox:
    """The outbox in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str) -> None:
        """Note that a file will have to be sent; before it gets its name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._marker(name).touch()

    def done(self, name: str) -> None:
        self._marker(name).unlink(missing_ok=True)

    def tidy(self, root: Path) -> None:
        """Forget files that never got their names: whoever noted them died."""
        for name in self.names():
            marker = self._marker(name)
            if not (root / name).is_file() and time.time() - marker.stat().st_mtime > FORGOTTEN_SECONDS:
                marker.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """What has to be sent."""
        return sorted(unquote(path.name) for path in self._folder.iterdir()) if self._folder.is_dir() else []

    def _marker(self, name: str) -> Path:
        return self._folder / quote(name, safe="")

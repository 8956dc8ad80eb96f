"""Which files of a working copy the store does not have yet: an empty file each, so that a kill loses none of it.

A note whose file never came, as who noted it died, stays: it costs nothing, and no clock can tell it from one that is early.
Notes are not flushed to the disk, of which there may be thousands a second: after a crash of the machine all files are
compared with those in the store instead (`pipelines.remote.working_copy`).
"""

from pathlib import Path
from urllib.parse import quote, unquote


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

    def names(self) -> list[str]:
        """What has to be sent."""
        return sorted(unquote(path.name) for path in self._folder.iterdir()) if self._folder.is_dir() else []

    def _marker(self, name: str) -> Path:
        return self._folder / quote(name, safe="")

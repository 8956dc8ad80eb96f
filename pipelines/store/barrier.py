"""Bring all that was written to a file system to its disk, at once, and know whether that failed.

`os.sync` cannot fail: a disk that loses what it was given is silent there. Linux tells it of a whole file system
(`syncfs`, since 5.8) to whoever held a file of it open meanwhile.
"""

import ctypes
import os
from pathlib import Path


class Barrier:
    """Make it before the first file is written, `sync` it after the last. Syncing 20,000 files one by one takes minutes."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def sync(self) -> None:
        """Return when everything written so far is on the disk. Raises OSError where a part of it is lost."""
        call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if call is None:  # another system than Linux
            os.sync()
        elif call(self._descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def close(self) -> None:
        """Let go of the file system."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            self.close()

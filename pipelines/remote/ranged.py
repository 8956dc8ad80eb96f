"""A file in an object store, read a piece at a time: the end of a part, its keys, and no more."""

import io

from pipelines.remote.objects import Objects

_END = 1 << 18
"""Bytes at the end that are fetched at once: footer, digests, and the keys of small parts."""


class Ranged(io.RawIOBase):
    """An object of `size` bytes as a binary file that is read and sought in."""

    def __init__(self, objects: Objects, name: str, size: int) -> None:
        self._objects, self._name, self._size = objects, name, size
        self._at = 0
        self._end: bytes | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (-1: all that are left); one request, or none where they lie near the end."""
        stop = self._size if size < 0 else min(self._size, self._at + size)
        if stop <= self._at:
            return b""
        first = max(0, self._size - _END)
        if self._at >= first:
            if self._end is None:
                self._end = self._objects.span(self._name, first, self._size)
            found = self._end[self._at - first : stop - first]
        else:
            found = self._objects.span(self._name, self._at, stop)
        self._at += len(found)
        return found

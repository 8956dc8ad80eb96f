"""How much the files of a source may unpack to: one rule for zip files, gzip files and the rows of parquet files.

A file of a thousand bytes can unpack to a gigabyte, and one of a megabyte to a full disk. So what comes out is counted
against what lies on disk, while it comes out: `RATIO` times as much, and `FREE` in any case. Text packs about 10 times
smaller, text with a long prompt that each row repeats up to 100 times; gzip ends at 1,032.
"""

import io
from functools import cache
from pathlib import Path
from typing import IO, Any

from pipelines.sources.stored import opened, stored_bytes
from schemas.errors import ConfigError

RATIO = 200
FREE = 1 << 30
"""Bytes that any file may unpack to, however small it is."""

PACKINGS = (".zst", ".bz2", ".xz", ".lzma", ".lz4", ".7z", ".rar", ".tar", ".tgz")
"""Ends of names of packed files that are not read."""

_PIECE = 1 << 20


class Allowance:
    """What is left of the bytes that files of `packed` bytes may unpack to. `what` begins the sentence."""

    def __init__(self, what: str, packed: int) -> None:
        self._what = what
        self.left = max(FREE, RATIO * packed)
        self._most = self.left

    def take(self, count: int) -> None:
        """Count bytes that came out. Raises ConfigError where they are too many."""
        self.left -= count
        if self.left < 0:
            raise ConfigError(
                f"{self._what} unpacks to more than {RATIO} times its own size ({self._most >> 20:,} MiB and going on), as "
                "files do that are meant to fill a disk. If you trust it, unpack or rewrite it yourself, or leave out in "
                "'select' what every row repeats."
            )


class _Counted(io.RawIOBase):
    """A stream whose bytes are taken from an allowance as they are read."""

    def __init__(self, stream: IO[bytes], allowance: Allowance) -> None:
        self._stream = stream
        self._allowance = allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), _PIECE))
        self._allowance.take(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def counted(stream: IO[bytes], allowance: Allowance) -> io.BufferedReader:
    """The stream, as far as the allowance goes."""
    return io.BufferedReader(_Counted(stream, allowance), _PIECE)


def weigh(file: str, allowance: Allowance) -> None:
    """Unpack a gzip file, keeping nothing, before it is handed to a reader that does not count. Raises ConfigError."""
    changed = Path(file).stat().st_mtime_ns if "://" not in file else None
    allowance.take(_unpacked(file, stored_bytes(file), changed, allowance.left))


@cache
def _unpacked(file: str, size: int, changed: int | None, most: int) -> int:
    """How many bytes a file that has not changed unpacks to, counted until they are more than `most`."""
    count = 0
    with opened(file) as stream:
        while count <= most and (piece := stream.read(_PIECE)):
            count += len(piece)
    return count

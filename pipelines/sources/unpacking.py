"""How much the files of a source may unpack to: one rule for zip files, gzip files and the rows of parquet files.

A file of a thousand bytes can unpack to a gigabyte, and one of a megabyte to a full disk. So what comes out is counted
against what lies on disk, while it comes out: `RATIO` times as much, and `FREE` in any case. Text packs about 10 times
smaller, text with a long prompt that each row repeats up to 100 times; gzip ends at 1,032.
"""

import gzip
import io
import zipfile
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

STREAMED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Packings of zip members that Python unpacks a little at a time. Of the others a kilobyte may come to gigabytes at once."""

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_UNREAD = {
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
}
"""How packed files begin that `datasets` would unpack to the end."""

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


def weigh_packed(what: str, file: Path) -> None:
    """Unpack a local file that its first bytes call packed, whatever its name says, keeping nothing, before it is handed to
    a reader that does not count. `what` begins the sentence of a ConfigError."""
    with file.open("rb") as stream:
        head = stream.read(8)
    if found := next((name for start, name in _UNREAD.items() if head.startswith(start)), None):
        raise ConfigError(f"{what} is packed by {found}, whose size cannot be known before; unpack it, or use .gz.")
    allowance = Allowance(what, file.stat().st_size)
    if head.startswith(_GZIP):
        with gzip.open(file) as stream:
            _drain(counted(stream, allowance))  # type: ignore[arg-type]
    elif head.startswith(_ZIP):
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.compress_type not in STREAMED:
                    raise ConfigError(
                        f"{what}: '{member.filename}' is packed in an unusual way; zip it anew, or unpack it."
                    )
                _drain(counted(archive.open(member), allowance))


def _drain(stream: io.BufferedReader) -> None:
    with stream:
        while stream.read1(_PIECE):
            pass


@cache
def _unpacked(file: str, size: int, changed: int | None, most: int) -> int:
    """How many bytes a file that has not changed unpacks to, counted until they are more than `most`."""
    count = 0
    with opened(file) as stream:
        while count <= most and (piece := stream.read(_PIECE)):
            count += len(piece)
    return count

"""Files of sources as they are stored: on this machine, or behind an fsspec address."""

import gzip
from pathlib import Path
from typing import IO, Any

from schemas.errors import ConfigError


def is_remote(path: str) -> bool:
    """Whether a path is an fsspec address."""
    return "://" in path


def filesystem(address: str) -> Any:
    """The fsspec file system of an address. ConfigError where its driver is not installed."""
    import fsspec

    protocol = address.split("://", maxsplit=1)[0]
    try:
        return fsspec.filesystem(protocol)
    except ImportError as error:
        raise ConfigError(f"Reading {protocol}:// needs another package: {error}.") from error
    except ValueError as error:
        raise ConfigError(f"'{address}' has an unknown protocol: {error}.") from error


def is_gzip(file: str) -> bool:
    """Whether a name is that of a file packed by gzip."""
    return file.lower().endswith(".gz")


def opened(file: str) -> IO[bytes]:
    """A local file or fsspec address as a stream of bytes; `.gz` is unpacked."""
    if is_remote(file):
        import fsspec

        stream: Any = fsspec.open(file, "rb").open()
        return gzip.open(stream) if is_gzip(file) else stream  # type: ignore[return-value]
    return gzip.open(file) if is_gzip(file) else Path(file).open("rb")  # type: ignore[return-value]


def stored_bytes(file: str) -> int:
    """The size of a local file, or of what an fsspec address names. ConfigError where its driver is not installed."""
    return int(filesystem(file).size(file) or 0) if is_remote(file) else Path(file).stat().st_size

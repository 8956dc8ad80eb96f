"""Files of sources as they are stored: on this machine, or behind an fsspec address."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pipelines.remote.answers import reason
from schemas.errors import ConfigError, CurateError, MissingDependencyError


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
        if protocol in ("s3", "s3a"):
            raise MissingDependencyError("s3fs", "s3", f"Reading {protocol}://") from error
        raise ConfigError(f"Reading {protocol}:// needs another package: {error}.") from error
    except ValueError as error:
        raise ConfigError(f"'{address}' has an unknown protocol: {error}.") from error


@contextmanager
def _reading(address: str) -> Iterator[None]:
    """Raise ConfigError, one sentence, for what a store does not give."""
    try:
        yield
    except CurateError:
        raise
    except Exception as error:
        why = reason(error)
        if why is None:
            raise
        raise ConfigError(f"'{address}' {why}.") from error


def facts(address: str) -> dict[str, Any]:
    """What a store says of a file: its size, and what tells it from a later edition. Raises ConfigError."""
    with _reading(address):
        return dict(filesystem(address).info(address))


def found(pattern: str) -> list[str]:
    """The files in a store that fit a pattern, in the order of their names. Raises ConfigError."""
    with _reading(pattern):
        return sorted(map(str, filesystem(pattern).glob(pattern)))


def is_gzip(file: str) -> bool:
    """Whether a name is that of a file packed by gzip."""
    return file.lower().endswith(".gz")


def opened(file: str) -> IO[bytes]:
    """A local file or fsspec address as a stream of bytes; `.gz` is unpacked."""
    if is_remote(file):
        import fsspec

        with _reading(file):
            stream: Any = fsspec.open(file, "rb").open()
        return gzip.open(stream) if is_gzip(file) else stream  # type: ignore[return-value]
    return gzip.open(file) if is_gzip(file) else Path(file).open("rb")  # type: ignore[return-value]


def stored_bytes(file: str) -> int:
    """The size of a local file, or of what an fsspec address names. ConfigError where its driver is not installed."""
    return int(facts(file).get("size") or 0) if is_remote(file) else Path(file).stat().st_size

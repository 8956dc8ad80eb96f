"""What an object store refuses, or why it is not there, as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.remote.address import Address
from pipelines.remote.answers import GONE, code_of, is_away, reason
from schemas.errors import ConfigError, CurateError, StoreError


class ChangedError(Exception):
    """A conditional write met another object than the one that it was to replace."""


class GoneError(Exception):
    """There is no such object."""


@contextmanager
def sentences(address: Address) -> Iterator[None]:
    """Raise what a store's client says as ChangedError, GoneError, ConfigError or StoreError; bugs go through."""
    try:
        yield
    except CurateError:
        raise
    except Exception as error:
        code, where = code_of(error), f"{address.scheme}://{address.bucket}"
        if code in ("PreconditionFailed", "412", "ConditionalRequestConflict", "409"):
            raise ChangedError from error
        if code in GONE or (code is None and isinstance(error, FileNotFoundError)):
            raise GoneError from error
        what = reason(error)
        if what is None:
            raise
        if is_away(error):
            raise StoreError(
                f"{where} {what}. Nothing is lost: what was answered lies in the working copy, and the same command goes on "
                "from there once the store is back."
            ) from error
        raise ConfigError(f"{where} {what}.") from error

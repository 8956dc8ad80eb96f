"""What an object store refuses, or why it is not there, as one sentence. No secret is in any."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.remote.address import Address
from schemas.errors import ConfigError, CurateError, StoreError

_REFUSED = {
    "AccessDenied", "AllAccessDisabled", "Forbidden", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken",
    "InvalidToken",
}  # fmt: skip


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
        code = _code(error)
        where = f"{address.scheme}://{address.bucket}"
        if code in ("PreconditionFailed", "412", "ConditionalRequestConflict", "409"):
            raise ChangedError from error
        if code == "NoSuchBucket":
            raise ConfigError(f"There is no bucket {where}{_endpoint()}. Make it first, or name another.") from error
        if code in ("NoSuchKey", "404", "NotFound") or (code is None and isinstance(error, FileNotFoundError)):
            raise GoneError from error
        if code in _REFUSED or isinstance(error, PermissionError):
            raise ConfigError(
                f"{where}{_endpoint()} refuses these credentials ({code or 'permission denied'}); see AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY and AWS_PROFILE."
            ) from error
        if "Credential" in type(error).__name__ or type(error).__name__ == "ProfileNotFound":
            raise ConfigError(
                f"There are no credentials for {where}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
            ) from error
        if code is None and not _is_of_the_net(error):
            raise
        raise StoreError(
            f"{where}{_endpoint()} cannot be reached ({code or type(error).__name__}). Nothing is lost: what was answered "
            "lies in the working copy, and the same command goes on from there once the store is back."
        ) from error


def _code(error: BaseException | None) -> str | None:
    """What the store says is wrong, by the error that its client made of it."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict) and "Error" in response:
            return str(response["Error"].get("Code"))
        error = error.__cause__
    return None


def _is_of_the_net(error: BaseException) -> bool:
    rooms = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(rooms & {"botocore", "aiobotocore", "aiohttp"}) or isinstance(error, ConnectionError | TimeoutError)


def _endpoint() -> str:
    named = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return f" at {named.rpartition('@')[2]}" if named else ""

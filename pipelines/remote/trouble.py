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
_GONE = {"NoSuchKey", "404", "NotFound"}


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
        code, where = _code(error), f"{address.scheme}://{address.bucket}"
        if code in ("PreconditionFailed", "412", "ConditionalRequestConflict", "409"):
            raise ChangedError from error
        if code in _GONE or (code is None and isinstance(error, FileNotFoundError)):
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


def reason(error: BaseException) -> str | None:
    """Why a store gives nothing, as the end of a sentence about it; None for what is no answer of a store."""
    code, kind = _code(error), type(error).__name__
    if code == "NoSuchBucket":
        return f"is no bucket{_endpoint()}; make it first, or name another"
    if code in _GONE or (code is None and isinstance(error, FileNotFoundError)):
        return f"is not there{_endpoint()}"
    if code in _REFUSED or isinstance(error, PermissionError):
        return (
            f"is not given to these credentials{_endpoint()} ({code or 'permission denied'}); see AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_PROFILE"
        )
    if "Credential" in kind or kind == "ProfileNotFound":
        return "needs credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    return f"cannot be reached{_endpoint()} ({code or kind})" if is_away(error) else None


def is_away(error: BaseException) -> bool:
    """Whether a store did not answer, or has a trouble of its own: later it may."""
    code = _code(error)
    refused = code == "NoSuchBucket" or code in _GONE or code in _REFUSED or "Credential" in type(error).__name__
    return not refused and (code is not None or _is_of_the_net(error))


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

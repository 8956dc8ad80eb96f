"""Why an object store gives nothing, by what it answers or by its silence, as the end of a sentence. No secret is in any."""

import os

_REFUSED = {
    "AccessDenied", "AllAccessDisabled", "Forbidden", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken",
    "InvalidToken", "AccountProblem", "InvalidObjectState", "401", "Unauthorized", "ExpiredTokenException",
    "UnrecognizedClientException", "InvalidClientTokenId",
}  # fmt: skip
_SKEWED = {"RequestTimeTooSkewed", "RequestExpired"}
_ELSEWHERE = {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
GONE = {"NoSuchKey", "404", "NotFound"}
_AWAY = {
    "InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "RequestTimeoutException", "Throttling",
    "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "OperationAborted",
}  # fmt: skip
_LATER = {408, 425, 429}
"""Statuses below 500 after which the same request may be answered."""


def reason(error: BaseException) -> str | None:
    """Why a store gives nothing, as the end of a sentence about it; None for what is no answer of a store."""
    (code, status), kind = _answer(error), type(error).__name__
    if code == "NoSuchBucket":
        return f"is no bucket{_endpoint()}; make it first, or name another"
    if code in GONE or (code is None and isinstance(error, FileNotFoundError)):
        return f"is not there{_endpoint()}"
    denied = code is None and isinstance(error, PermissionError) and error.filename is None
    if code in _REFUSED or denied or (status in (401, 403) and code not in _SKEWED):
        return (
            f"is not given to these credentials{_endpoint()} ({code or 'permission denied'}); see AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_PROFILE"
        )
    if "Credential" in kind or kind == "ProfileNotFound":
        return "needs credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if is_away(error):
        return f"cannot be reached{_endpoint()} ({code or kind})"
    return None if code is None else _unwanted(code)


def _unwanted(code: str) -> str:
    if code in _SKEWED:
        return f"refuses requests of another time{_endpoint()} ({code}); set this machine's clock"
    if code in _ELSEWHERE:
        return f"lies in another region{_endpoint()} ({code}); set AWS_DEFAULT_REGION"
    return f"refuses this request{_endpoint()} ({code})"


def is_away(error: BaseException) -> bool:
    """Whether a store did not answer, or has a trouble of its own: later it may. What it refuses it refuses later too."""
    code, status = _answer(error)
    if code is None:
        return "Credential" not in type(error).__name__ and _is_of_the_net(error)
    return code in _AWAY or status >= 500 or status in _LATER


def code_of(error: BaseException) -> str | None:
    return _answer(error)[0]


def _answer(error: BaseException | None) -> tuple[str | None, int]:
    """What the store says is wrong, and the status of its answer, by the error that its client made of it."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict) and "Error" in response:
            code = str(response["Error"].get("Code"))
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode") or code
            return code, int(status) if str(status).isdigit() else 0
        error = error.__cause__
    return None, 0


def _is_of_the_net(error: BaseException) -> bool:
    rooms = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(rooms & {"botocore", "aiobotocore", "aiohttp"}) or isinstance(error, ConnectionError | TimeoutError)


def _endpoint() -> str:
    named = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return f" at {named.rpartition('@')[2]}" if named else ""
